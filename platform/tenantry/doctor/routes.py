"""Lists the GET routes of an app, and builds addresses for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import AnyConverter, BuildError, RequestRedirect

from tenantry.doctor.parts import children

if TYPE_CHECKING:
    from werkzeug.routing import MapAdapter, Rule

SAMPLES: tuple[Any, ...] = (
    1, "doctor", 1.5, "00000000-0000-4000-8000-000000000000", "2030-01-31", "a/b"
)  # fmt: skip
"""Tried in turn where no page says what a part of a path may be."""


NEAR = 200
"""Objects that are looked at for a Flask app that others wrap."""


class Routes:
    """What an app's URL map says; an app that has none has no routes, and its links are followed.

    :param app: Any WSGI app; a Flask app may be wrapped.
    """

    def __init__(self, app: Any, host: str) -> None:
        self._flask = find_flask(app)
        self._adapter: MapAdapter | None = None
        if self._flask is not None:
            self._adapter = self._flask.url_map.bind(host)
        self._seen: dict[str, list[Any]] = {}

    def __len__(self) -> int:
        return len(self._rules())

    def learn(self, path: str) -> str | None:
        """Remember the parts of a path; return the rule that it belongs to."""
        if self._adapter is None:
            return None
        try:
            rule, parts = self._adapter.match(path.partition("?")[0], "GET", return_rule=True)
        except (HTTPException, RequestRedirect):
            return None
        for name, value in parts.items():
            known = self._seen.setdefault(name, [])
            if value not in known and len(known) < 3:  # noqa: PLR2004 - the first ones will do
                known.append(value)
        return str(rule.rule)

    def addresses(self) -> dict[str, str]:
        """Return an address for each rule that one can be made for."""
        found = ((rule.rule, self._address(rule)) for rule in self._rules())
        return {rule: address for rule, address in found if address is not None}

    def _rules(self) -> list[Rule]:
        if self._flask is None:
            return []
        rules = self._flask.url_map.iter_rules()
        # Files are Flask's own to serve; a page that needs them links to them.
        own = (rule for rule in rules if rule.endpoint.rpartition(".")[2] != "static")
        return [rule for rule in own if rule.methods is None or "GET" in rule.methods]

    def _address(self, rule: Rule) -> str | None:
        if self._adapter is None or rule.build_only or rule.websocket:
            return None
        values = {name: self._value(rule, name) for name in rule.arguments}
        try:
            return self._adapter.build(rule.endpoint, values, method="GET")
        except (BuildError, ValueError, TypeError, AttributeError):
            return None

    def _value(self, rule: Rule, name: str) -> Any:
        if self._seen.get(name):
            return self._seen[name][0]
        converter = rule._converters.get(name)  # noqa: SLF001 - werkzeug has no other way to ask
        if converter is None:
            return (rule.defaults or {}).get(name)
        if isinstance(converter, AnyConverter):
            return min(converter.items)
        for sample in SAMPLES:
            try:
                converter.to_python(converter.to_url(sample))
            except Exception:  # noqa: BLE001, S112 - a converter may be anybody's
                continue
            return sample
        return SAMPLES[0]


def find_flask(app: Any) -> Flask | None:
    """Return *app* if it is a Flask app, or the one that it wraps."""
    found: list[Any] = [app]
    known = {id(app)}
    for value in found:
        if issubclass(type(value), Flask):
            flask: Flask = value
            return flask
        new = [part for part in children(value) if id(part) not in known and part is not None]
        if len(found) < NEAR:
            known.update(map(id, new))
            found += new
    return None

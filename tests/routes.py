"""Everything that an app answers, from its own URL map: what each matrix of tests goes through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from flask import Flask

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one rule, with the path of an example."""

    method: str
    path: str
    endpoint: str
    arguments: frozenset[str]
    """The names of the rule's variables."""

    def __str__(self) -> str:
        return f"{self.method} {self.path} ({self.endpoint})"


def list_routes(app: Flask, examples: Mapping[str, Any]) -> list[Route]:
    """Return all that an app answers, by path and method; files of the look aside.

    :param examples: A value for each variable of a rule. A rule with another one fails the test.
    """
    adapter, found = app.url_map.bind("x"), []
    for rule in app.url_map.iter_rules():
        if rule.arguments == {"filename"}:
            continue
        missing = rule.arguments - set(examples)
        assert not missing, f"{rule.rule} is not covered: give it an example of {missing}"
        values = {name: examples[name] for name in rule.arguments}
        for method in METHODS & (rule.methods or set()):
            path = adapter.build(rule.endpoint, values, method=method)
            found.append(Route(method, path, rule.endpoint, frozenset(rule.arguments)))
    return sorted(set(found), key=lambda route: (route.path, route.method))


def check_named(routes: Collection[Route], *groups: Collection[str]) -> None:
    """Fail if an endpoint is in no group or in several, or if a group names one that is gone."""
    endpoints = {route.endpoint for route in routes}
    for endpoint in endpoints:
        count = sum(endpoint in group for group in groups)
        assert count == 1, f"{endpoint} is in {count} lists: say in one of them who may use it"
    gone = {name for group in groups for name in group} - endpoints
    assert not gone, f"no route has the endpoint {gone}"

"""Signs a visitor in as the operator says: ``--login '/login name=ada password=secret'``."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenantry.errors import LoginError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tenantry.doctor.page_checks import Form

MIN_TOKEN = 16


@dataclass(frozen=True, slots=True)
class Login:
    """Where a visitor signs in, and with what."""

    path: str
    values: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> Login:
        """Read ``PATH name=value ...``, quoted as in a shell.

        :raises LoginError: It is written otherwise.
        """
        try:
            path, *pairs = shlex.split(text)
        except ValueError as error:
            raise LoginError(text) from error
        values = dict(pair.partition("=")[::2] for pair in pairs)
        if not path.startswith("/") or not values or not all("=" in pair for pair in pairs):
            raise LoginError(text)
        return cls(path, values)

    def fill(self, forms: Iterable[Form]) -> dict[str, Any]:
        """Return what to send: the values, with the hidden fields of the form that asks for them."""
        for form in forms:
            names = {part.name for part in form.fields}
            if names >= set(self.values):
                hidden = {part.name: part.value for part in form.fields if part.kind == "hidden"}
                return {**hidden, **self.values}
        return dict(self.values)


def tokens_in(body: bytes) -> list[str]:
    """Return the tokens in a JSON answer: texts whose names say so."""
    try:
        found = json.loads(body)
    except ValueError:
        return []
    return list(_tokens(found, ""))


def _tokens(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _tokens(inner, str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _tokens(inner, name)
    elif isinstance(value, str) and "token" in name.lower() and len(value) >= MIN_TOKEN:
        yield value

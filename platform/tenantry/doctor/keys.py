"""Compares the keys in two tenants' settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tenantry.doctor.findings import Finding, unsafe, warning
from tenantry.doctor.routes import find_flask
from tenantry.flask.pins import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECK = "keys"
NAMED = re.compile(r"SECRET|KEY|SALT")
HARMLESS = re.compile(r"PUBLIC|PREFIX|_NAME$|_FUNC|_HEADER|_LOCATION|^SECURITY_.*SALT$")
"""Names of what is no secret, and Flask-Security's salts: they go with the tenant's own key, and that
of passwords has to be the same wherever a tenant's rows are restored."""


def equal_keys(first: Any, second: Any) -> Iterator[Finding]:
    """Yield the settings that are keys by their name and the same for two tenants' apps."""
    one, two = find_flask(first), find_flask(second)
    if one is None or two is None:
        return
    for name, value in sorted(one.config.items()):
        is_text = isinstance(value, (str, bytes)) and bool(value)
        if not is_text or not NAMED.search(name) or HARMLESS.search(name):
            continue
        if two.config.get(name) == value:
            state = unsafe if name in KEYS else warning
            yield state(
                CHECK,
                name,
                "Both tenants have the same one. If it signs or encrypts, what one tenant's app has "
                "made is valid at the other.",
                "Derive it from app.secret_key. If it belongs to a service outside, allow it.",
            )

"""Flask-Security: its links and tokens are signed with the current tenant's key."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from flask import current_app
from itsdangerous import Serializer, want_bytes

if TYPE_CHECKING:
    from flask import Flask


class TenantSerializer:
    """A serializer of itsdangerous that has the keys and the salt of the app at work.

    :param salt: The setting from which the salt comes; ``None``: it is the same for all.
    """

    def __init__(self, serializer: Serializer[Any], salt: str | None) -> None:
        self._shared = copy.copy(serializer)
        self._shared.secret_keys = []
        self._salt = salt
        if salt is not None:
            self._shared.salt = b""

    def __getattr__(self, name: str) -> Any:
        own, config = copy.copy(self._shared), current_app.config
        keys = [*(config.get("SECRET_KEY_FALLBACKS") or ()), config["SECRET_KEY"]]  # oldest first
        own.secret_keys = [want_bytes(key) for key in keys]
        if self._salt is not None:
            own.salt = want_bytes(config[self._salt])
        return getattr(own, name)


def adapt(app: Flask) -> None:
    """Replace the serializers, which have the key of the app that was set up last."""
    security = app.extensions.get("security")
    if security is None:
        return
    salts = {
        want_bytes(value): name
        for name, value in app.config.items()
        if name.startswith("SECURITY_") and name.endswith("_SALT") and value
    }
    for name, value in list(vars(security).items()):
        if isinstance(value, Serializer):
            setattr(
                security, name, TenantSerializer(value, salts.get(want_bytes(value.salt or b"")))
            )

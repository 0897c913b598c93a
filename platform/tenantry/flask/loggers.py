"""A logger for each tenant's app.

Flask gives apps of one name one logger. Handlers that factories add to it would grow with each build,
and each would get every tenant's lines. A tenant's app has a logger of its own, ``shop.acme``, below
the one that Flask would give it. It goes with the app.
"""

from __future__ import annotations

import logging
from functools import wraps
from typing import TYPE_CHECKING, Any

from flask import logging as flask_logging
from flask.sansio import app as flask_app

from tenantry.flask.binding import EXTENSION
from tenantry.flask.placeholder import Placeholder

if TYPE_CHECKING:
    from flask import Flask

TEMPLATE = "tenantry_logger"
"""Attribute of a flyweight: the logger that the prototype's factory has set up."""


class TenantLogger(logging.Logger):
    """A logger that no registry keeps: it would stay there when its app is gone."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the library's name
        """Say whether a line of this level is wanted; the registry cannot clear a cache here."""
        if self.disabled or self.manager.disable >= level:
            return False
        return level >= self.getEffectiveLevel()

    def getChild(self, suffix: str) -> TenantLogger:  # noqa: N802 - the library's name
        """Return a logger below this one, of the same tenant."""
        return _make(f"{self.name}.{suffix}", self)


def _make(name: str, parent: logging.Logger) -> TenantLogger:
    logger = TenantLogger(name)
    logger.parent = parent
    return logger


_create_logger = flask_logging.create_logger


@wraps(_create_logger)
def _create_tenant_logger(app: Any) -> logging.Logger:
    above = _create_logger(app)
    binding = app.extensions.get(EXTENSION)
    tenant = None if binding is None else binding.tenant
    if tenant is None:
        return above
    if isinstance(tenant, Placeholder):
        return _make(app.name, above)  # whatever is made of its name serves all tenants
    logger = _make(f"{app.name}.{tenant.slug}", above)
    template = getattr(app, TEMPLATE, None)
    if template is not None:
        logger.setLevel(template.level)
        logger.handlers = list(template.handlers)
        logger.filters = list(template.filters)
        logger.propagate, logger.disabled = template.propagate, template.disabled
    return logger


_flask_app: Any = flask_app
_flask_app.create_logger = _create_tenant_logger


def close_handlers(app: Flask) -> None:
    """Close the files to which an app's own logger writes."""
    logger = vars(app).get("logger")
    if isinstance(logger, TenantLogger):
        for handler in logger.handlers:
            if isinstance(handler, logging.FileHandler):
                handler.close()

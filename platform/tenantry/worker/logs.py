"""The application log: one JSON object per line, with its request and its tenant."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog
from flask import has_request_context, request

from tenantry.environ import REQUEST_ID, TENANT

if TYPE_CHECKING:
    from structlog.typing import EventDict


def configure_logs(level: str) -> None:
    """Send every logger of the process to standard error as JSON (R56)."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _add_request,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    # A log that cannot be written, as on a full disk, would be told to itself, with a traceback.
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _add_request(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Say which request and tenant a line is about, wherever in the app it was written."""
    if has_request_context():
        event["id"] = request.environ.get(REQUEST_ID)
        tenant = request.environ.get(TENANT)
        if tenant is not None:
            event["tenant"] = tenant.id
            event["slug"] = tenant.slug
    return event

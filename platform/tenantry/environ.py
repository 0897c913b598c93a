"""The keys that the platform writes into a request's WSGI environment.

An app may read :data:`TENANT` and :data:`REQUEST_ID`; the others are the platform's own.
"""

from __future__ import annotations

HOST = "tenantry.host"
"""``str``, set by the request gate: the canonical host of the request."""

REQUEST_ID = "tenantry.request_id"
"""``str``, set by the access log: the id under which everything about the request is logged."""

BODY = "tenantry.body"
"""``RequestBody``, set by the request gate if the request has a body: it is not read yet."""

TENANT = "tenantry.tenant"
"""``Tenant``, set by the dispatcher that found it. Without this key a request is about no tenant."""

APP = "tenantry.app"
"""``Flask``, set by a flyweight whose middleware runs before Flask: the app that was called."""

UNKNOWN_SLUG = "tenantry.unknown_slug"
"""``str``, set by the subdomain dispatcher for the front app: a label that no tenant has."""

PAGE = "tenantry.page"
"""Set by the page cache while a page is rendered: the page, as soon as it could be kept."""

KEPT_PAGE = "tenantry.kept_page"
"""Set by the page cache for the compression: the page that is served from memory. It has the body, and
keeps what the compression makes of it."""

DEBUGGER = "werkzeug.debug.preserve_context"
"""Set by Werkzeug's debugger, which wants to see an app's exception itself."""

"""What the API takes and answers, field by field. The OpenAPI document is made of this."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from backend_app.api.blueprint import Flag, Schema
from tenantry import TenantState
from tenantry.catalog import HostState, JobState

HEX_ID = validate.Regexp(r"^[0-9a-f]{32}$")
STATES = [state.value for state in TenantState]


def told(text: str, **more: Any) -> dict[str, Any]:
    """Return a field's metadata: what it is, for readers of the document."""
    return {"description": text, **more}


def tenant_filter() -> fields.String:
    """Return the field that narrows a list to one tenant."""
    return fields.String(validate=validate.Length(max=63), metadata=told("A tenant's id or slug."))


class ProblemSchema(Schema):
    """An error (RFC 9457)."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True, metadata=told("A sentence about this request."))
    request_id = fields.String(metadata=told("The request's id in the log."))
    error_id = fields.String(metadata=told("The id under which the cause is logged."))
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        metadata=told("Sentences about each field that has a fault."),
    )

    class Meta:
        """An error may have members of its own."""

        unknown = ma.INCLUDE


class SiteSettingsSchema(Schema):
    """How a site presents itself."""

    tagline = fields.String(allow_none=True, validate=validate.Length(max=160))
    language = fields.String(
        allow_none=True,
        validate=validate.Regexp(r"^(?:[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,2})?$"),
        metadata=told("A language tag such as en or pt-BR."),
    )
    accent = fields.String(
        allow_none=True,
        validate=validate.Regexp(r"^(?:#[0-9a-fA-F]{6})?$"),
        metadata=told("A colour such as #1f6feb."),
    )
    listed = Flag(metadata=told("Whether the public directory shows the site."))


class TenantSchema(Schema):
    """A tenant."""

    id = fields.String(required=True, metadata=told("It never changes."))
    slug = fields.String(required=True)
    name = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(STATES))
    reason = fields.String(required=True, allow_none=True)
    plan = fields.String(required=True)
    placement = fields.String(required=True)
    revision = fields.Integer(required=True, metadata=told("Grows with each change."))
    url = fields.String(required=True)
    hosts = fields.List(
        fields.String(), required=True, metadata=told("Custom hosts it answers on.")
    )
    owners = fields.List(fields.String(), required=True)
    settings = fields.Nested(SiteSettingsSchema, required=True)
    quiet = fields.Boolean(required=True, metadata=told("A clone that is not released."))
    created_at = fields.DateTime(required=True)
    purge_at = fields.DateTime(required=True, allow_none=True)
    purged_at = fields.DateTime(required=True, allow_none=True)


class HostSchema(Schema):
    """A custom host of a tenant."""

    name = fields.String(required=True)
    state = fields.String(
        required=True, validate=validate.OneOf([state.value for state in HostState])
    )
    is_primary = fields.Boolean(required=True)
    problem = fields.String(required=True, metadata=told("What the last check has found wrong."))
    records = fields.List(
        fields.Dict(keys=fields.String(), values=fields.String()),
        required=True,
        metadata=told("The DNS records that prove the host and lead here."),
    )
    created_at = fields.DateTime(required=True)
    verified_at = fields.DateTime(required=True, allow_none=True)
    checked_at = fields.DateTime(required=True, allow_none=True)


class HostsSchema(Schema):
    """All custom hosts of a tenant."""

    items = fields.List(fields.Nested(HostSchema), required=True)


class OwnersSchema(Schema):
    """Who owns a tenant."""

    items = fields.List(fields.String(), required=True)


class ParameterSchema(Schema):
    """A parameter of an operation."""

    name = fields.String(required=True)
    type = fields.String(
        required=True, validate=validate.OneOf(["string", "boolean", "integer", "date-time"])
    )
    text = fields.String(required=True)
    is_required = fields.Boolean(required=True)
    choices = fields.List(fields.String(), required=True)


class OperationSchema(Schema):
    """What can be done to a tenant."""

    name = fields.String(required=True)
    title = fields.String(required=True)
    text = fields.String(required=True)
    is_offered = fields.Boolean(
        required=True, metadata=told("Whether it makes sense in the tenant's present state.")
    )
    is_job = fields.Boolean(required=True, metadata=told("Whether a job does it."))
    needs_confirmation = fields.Boolean(
        required=True,
        metadata=told("Whether the call must carry `confirm` with the tenant's slug."),
    )
    parameters = fields.List(fields.Nested(ParameterSchema), required=True)


class OperationsSchema(Schema):
    """All operations on a tenant."""

    items = fields.List(fields.Nested(OperationSchema), required=True)


class JobSchema(Schema):
    """A job."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    tenant_id = fields.String(required=True, allow_none=True)
    state = fields.String(
        required=True, validate=validate.OneOf([state.value for state in JobState])
    )
    is_final = fields.Boolean(required=True, metadata=told("Whether nothing changes any more."))
    cancellable = fields.Boolean(required=True)
    cancel_requested = fields.Boolean(required=True)
    attempts = fields.Integer(required=True)
    done = fields.Integer(required=True, metadata=told("Steps done."))
    total = fields.Integer(required=True, metadata=told("Steps in all; 0 if unknown."))
    error = fields.String(required=True)
    arguments = fields.Dict(required=True, metadata=told("Empty for a site's token."))
    result = fields.Dict(required=True, metadata=told("Empty for a site's token."))
    created_at = fields.DateTime(required=True)
    started_at = fields.DateTime(required=True, allow_none=True)
    finished_at = fields.DateTime(required=True, allow_none=True)


class JobLineSchema(Schema):
    """A line that a job has logged."""

    at = fields.DateTime(required=True)
    attempt = fields.Integer(required=True)
    text = fields.String(required=True)


class JobDetailSchema(JobSchema):
    """A job with what it has logged."""

    lines = fields.List(fields.Nested(JobLineSchema), required=True)


class BackupSchema(Schema):
    """A backup of a tenant in the data folder."""

    name = fields.String(required=True)
    bytes = fields.Integer(required=True)


class BackupsSchema(Schema):
    """A tenant's backups, the newest first."""

    items = fields.List(fields.Nested(BackupSchema), required=True)


class AccountSchema(Schema):
    """An account of the platform."""

    id = fields.String(required=True)
    email = fields.String(required=True)
    name = fields.String(required=True)
    operator = fields.Boolean(required=True)
    has_password = fields.Boolean(required=True)
    second_factor = fields.Boolean(required=True)
    created_at = fields.DateTime(required=True)


class EventSchema(Schema):
    """An event of the audit trail."""

    number = fields.Integer(required=True)
    at = fields.DateTime(required=True)
    action = fields.String(required=True)
    actor_kind = fields.String(required=True)
    actor = fields.String(required=True)
    tenant_id = fields.String(required=True, allow_none=True)
    tenant_slug = fields.String(required=True, allow_none=True)
    detail = fields.Dict(required=True)
    ip = fields.String(required=True, allow_none=True)
    request_id = fields.String(required=True, allow_none=True)
    hash = fields.String(required=True)

"""Webhooks: where events are sent, and what became of their messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import request
from marshmallow import fields, validate

from backend_app.api.access import current_actor, current_token, needs, operations
from backend_app.api.blueprint import Blueprint, Flag, Schema
from backend_app.api.problems import ProblemError
from backend_app.api.reach import find_tenant_id
from backend_app.api.schemas import tenant_filter, told
from backend_app.context import backend, catalog
from tenantry.catalog import DeliveryState
from tenantry.lifecycle.webhooks import (
    add_webhook,
    change_webhook,
    open_webhook_secret,
    renew_webhook_secret,
)
from tenantry.values.webhook_events import EVENTS
from tenantry.webhooks.addresses import MAX_URL

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tenantry.catalog import Webhook, WebhookDelivery

bp = Blueprint("webhooks", __name__, description="Where events are sent as they happen.")


def _events(**options: Any) -> fields.List[Any]:
    return fields.List(
        fields.String(validate=validate.OneOf([*EVENTS])),
        validate=validate.Length(max=len(EVENTS)),
        metadata=told("The types that it is told; none stands for all."),
        **options,
    )


class WebhookSchema(Schema):
    """A webhook."""

    id = fields.String(required=True)
    tenant_id = fields.String(
        required=True, allow_none=True, metadata=told("The one site it is about; null for all.")
    )
    url = fields.String(required=True)
    events = _events(required=True)
    is_on = fields.Boolean(required=True)
    problem = fields.String(
        required=True, metadata=told("Why it is off, or what its last message met.")
    )
    failing_since = fields.DateTime(required=True, allow_none=True)
    missed = fields.Integer(
        required=True,
        metadata=told("Events that it was not told, as too many messages waited."),
    )
    created_at = fields.DateTime(required=True)


class WebhooksSchema(Schema):
    """All webhooks of a site, or of the platform."""

    items = fields.List(fields.Nested(WebhookSchema), required=True)


class NewWebhookSchema(Schema):
    """A webhook to be."""

    url = fields.String(required=True, validate=validate.Length(1, MAX_URL))
    events = _events(load_default=list)
    tenant = tenant_filter()


class WebhookChangeSchema(Schema):
    """What is to be changed of a webhook."""

    url = fields.String(validate=validate.Length(1, MAX_URL))
    events = _events()
    is_on = Flag(metadata=told("One that is turned on is told what happens from then on."))


class SecretSchema(Schema):
    """A webhook's secret."""

    secret = fields.String(
        required=True, metadata=told("`whsec_` and the key in base64, as Standard Webhooks has it.")
    )


class DeliverySchema(Schema):
    """A message of a webhook."""

    id = fields.String(required=True, metadata=told("Its `webhook-id`, the same at each attempt."))
    type = fields.String(required=True)
    body = fields.String(required=True, metadata=told("What is sent, byte for byte."))
    state = fields.String(
        required=True, validate=validate.OneOf([state.value for state in DeliveryState])
    )
    attempts = fields.Integer(required=True)
    status = fields.Integer(
        required=True, allow_none=True, metadata=told("The HTTP status of the last answer.")
    )
    problem = fields.String(required=True)
    created_at = fields.DateTime(required=True)
    tried_at = fields.DateTime(required=True, allow_none=True)


class DeliveriesSchema(Schema):
    """The newest hundred messages of a webhook, the newest first."""

    items = fields.List(fields.Nested(DeliverySchema), required=True)


class WebhookFilterSchema(Schema):
    """Whose webhooks to list."""

    tenant = tenant_filter()


@bp.route("/webhooks")
@needs("webhooks:read")
@bp.arguments(WebhookFilterSchema, location="query")
@bp.response(200, WebhooksSchema)
def list_webhooks(wanted: dict[str, Any]) -> ResponseReturnValue:
    """List webhooks.

    Those of the site that `tenant` names, or without it, those about all sites. A site's token finds
    its own site's.
    """
    return {"items": catalog().webhooks.list_of(find_tenant_id(wanted))}


@bp.route("/webhooks", methods=["POST"])
@needs("webhooks:write")
@bp.arguments(NewWebhookSchema)
@bp.response(201, WebhookSchema, headers={"Location": {"schema": {"type": "string"}}})
def create(wanted: dict[str, Any]) -> ResponseReturnValue:
    """Add a webhook.

    It is told what happens from now on. `tenant` makes it one of that site, as each one of a site's
    token is; without it, it is told of all sites. A site has at most ten, and so has the platform.
    """
    made, _ = add_webhook(
        operations(), wanted["url"], events=wanted["events"], tenant_id=find_tenant_id(wanted)
    )
    place = f"{request.script_root}/webhooks/{made.id}"
    return made, {"Location": place}  # type: ignore[return-value]  # the schema makes JSON of it


@bp.route("/webhooks/<webhook_id>")
@needs("webhooks:read")
@bp.response(200, WebhookSchema)
def show(webhook_id: str) -> ResponseReturnValue:
    """Show a webhook."""
    return _get(webhook_id)  # type: ignore[return-value]  # the schema makes JSON of it


@bp.route("/webhooks/<webhook_id>", methods=["PATCH"])
@needs("webhooks:write")
@bp.arguments(WebhookChangeSchema)
@bp.response(200, WebhookSchema)
def change(wanted: dict[str, Any], webhook_id: str) -> ResponseReturnValue:
    """Change a webhook, or turn it on or off.

    What is left out stays.
    """
    return change_webhook(operations(), _get(webhook_id), **wanted)  # type: ignore[return-value]


@bp.route("/webhooks/<webhook_id>", methods=["DELETE"])
@needs("webhooks:write")
@bp.response(204)
def remove(webhook_id: str) -> ResponseReturnValue:
    """Remove a webhook with its messages."""
    catalog().webhooks.remove(_get(webhook_id).id, by=current_actor())
    return "", 204


@bp.route("/webhooks/<webhook_id>/secret")
@needs("webhooks:write")
@bp.response(200, SecretSchema)
def show_secret(webhook_id: str) -> ResponseReturnValue:
    """Show the secret that a webhook's messages are signed with."""
    secret = open_webhook_secret(backend().settings, _get(webhook_id))
    if secret is None:
        sentence = "The key is gone that sealed this secret. Renew the secret."
        raise ProblemError(409, sentence)
    return {"secret": secret}


@bp.route("/webhooks/<webhook_id>/secret", methods=["POST"])
@needs("webhooks:write")
@bp.response(204)
def renew_secret(webhook_id: str) -> ResponseReturnValue:
    """Renew the secret of a webhook.

    The next message is signed with the new one only.
    """
    renew_webhook_secret(operations(), _get(webhook_id))
    return "", 204


@bp.route("/webhooks/<webhook_id>/test", methods=["POST"])
@needs("webhooks:write")
@bp.response(202, DeliverySchema)
def send_test(webhook_id: str) -> ResponseReturnValue:
    """Send a test message.

    Its type is `webhook.test`.
    """
    return catalog().webhooks.send_test(_get(webhook_id).id, by=current_actor())  # type: ignore[return-value]


@bp.route("/webhooks/<webhook_id>/deliveries")
@needs("webhooks:read")
@bp.response(200, DeliveriesSchema)
def list_deliveries(webhook_id: str) -> ResponseReturnValue:
    """List the messages of a webhook.

    The newest hundred, the newest first. Those that wait are kept, and the last hundred that are
    over.
    """
    return {"items": catalog().webhooks.list_deliveries(_get(webhook_id).id)}


@bp.route("/webhooks/<webhook_id>/deliveries/<delivery_id>/send", methods=["POST"])
@needs("webhooks:write")
@bp.response(202, DeliverySchema)
def send_again(webhook_id: str, delivery_id: str) -> ResponseReturnValue:
    """Send a message again.

    It has the same id and body. One that waits already is left alone.
    """
    delivery = _get_delivery(_get(webhook_id), delivery_id)
    return catalog().webhooks.send_again(delivery.id, by=current_actor())  # type: ignore[return-value]


def _get(webhook_id: str) -> Webhook:
    """Return a webhook.

    :raises ProblemError: It does not exist, or is not one of the token's site.
    """
    found = catalog().webhooks.find(webhook_id) if webhook_id.isalnum() else None
    if found is None or current_token().tenant_id not in {None, found.tenant_id}:
        sentence = f"There is no webhook {webhook_id!r:.70}, or your token may not see it."
        raise ProblemError(404, sentence)
    return found


def _get_delivery(webhook: Webhook, delivery_id: str) -> WebhookDelivery:
    found = catalog().webhooks.find_delivery(delivery_id) if delivery_id.isalnum() else None
    if found is None or found[0].id != webhook.id:
        raise ProblemError(404, f"This webhook has no message {delivery_id!r:.70}.")
    return found[1]

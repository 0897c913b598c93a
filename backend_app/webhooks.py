"""Webhooks: the platform's own for operators, a site's for its owners. Both have the same pages."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, flash, redirect, render_template, url_for
from wtforms import SelectMultipleField, StringField, SubmitField
from wtforms.validators import DataRequired
from wtforms.widgets import CheckboxInput

from backend_app.access import OWNERS, PROVED_OPERATORS, open_to
from backend_app.context import catalog, current_actor, current_scope, operations
from backend_app.forms import stripped
from backend_app.one_time import keep_once, take_once
from tenantry import ask_first
from tenantry.errors import BadWebhookError, WebhookLimitError
from tenantry.flask.forms import Form
from tenantry.lifecycle.webhooks import add_webhook, change_webhook, renew_webhook_secret
from tenantry.values.webhook_events import EVENTS
from tenantry.webhooks.addresses import MAX_URL

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask.typing import ResponseReturnValue

    from backend_app.access import Audience
    from tenantry.catalog import Webhook

bp = Blueprint("webhooks", __name__)

REACHES: tuple[tuple[str, str, Audience], ...] = (
    ("platform", "/webhooks", PROVED_OPERATORS),
    ("site", "/site-webhooks", OWNERS),
)
"""The name, path and audience of each of the two sets of pages."""

COLOURS = {"accepted": "ok", "waiting": "pending", "failed": "failed"}


class WebhookForm(Form):
    """Where to send what."""

    url = StringField(
        "URL",
        filters=[stripped],
        validators=[DataRequired("Enter a URL.")],
        description="It gets a POST with JSON. It begins with https:// and is on the internet.",
        render_kw={"type": "url", "dir": "ltr", "spellcheck": "false", "maxlength": MAX_URL},
    )
    events = SelectMultipleField(
        "Only these events",
        choices=dict(EVENTS),
        option_widget=CheckboxInput(),
    )
    submit = SubmitField("Add the webhook")


def route(path: str, *methods: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Offer a view twice: to operators on the platform, and to owners on their site's host."""

    def offer(view: Callable[..., Any]) -> Callable[..., Any]:
        for name, start, audience in REACHES:

            @wraps(view)
            def call(**arguments: Any) -> ResponseReturnValue:
                answer: ResponseReturnValue = view(**arguments)
                return answer

            endpoint = f"{name}_{view.__name__}"
            bp.add_url_rule(start + path, endpoint, open_to(audience)(call), methods=methods)
        return view

    return offer


@route("", "GET", "POST")
def index() -> ResponseReturnValue:
    """List the webhooks, and add one."""
    form = WebhookForm()
    if form.validate_on_submit():
        try:
            made, secret = add_webhook(
                operations(), form.url.data, events=form.events.data or (), tenant_id=_tenant_id()
            )
        except BadWebhookError as error:
            form.url.errors = [str(error)]
        except WebhookLimitError as error:
            form.url.errors = [str(error)]
        else:
            keep_once(f"webhook {made.id}", secret)
            return redirect(_url("show", webhook_id=made.id), 303)
    page = render_template(
        "backend/webhooks.html",
        form=form,
        webhooks=catalog().webhooks.list_of(_tenant_id()),
        reach=_reach(),
    )
    return page, 422 if form.errors else 200


@route("/<webhook_id>", "GET", "POST")
def show(webhook_id: str) -> ResponseReturnValue:
    """Show a webhook with its messages, and change it."""
    webhook = _get(webhook_id)
    form = WebhookForm(obj=webhook)
    form.submit.label.text = "Save"
    if form.validate_on_submit():
        try:
            change_webhook(operations(), webhook, url=form.url.data, events=form.events.data or ())
        except BadWebhookError as error:
            form.url.errors = [str(error)]
        else:
            flash("The webhook is changed.", "success")
            return redirect(_url("show", webhook_id=webhook.id), 303)
    page = render_template(
        "backend/webhook.html",
        form=form,
        webhook=webhook,
        messages=catalog().webhooks.list_deliveries(webhook.id),
        secret=take_once(f"webhook {webhook.id}"),
        reach=_reach(),
        colours=COLOURS,
    )
    return page, 422 if form.errors else 200


@route("/<webhook_id>/test", "POST")
def test(webhook_id: str) -> ResponseReturnValue:
    """Send a message that says nothing has happened."""
    return _queue(webhook_id, lambda: catalog().webhooks.send_test(webhook_id, by=current_actor()))


@route("/<webhook_id>/messages/<message_id>", "POST")
def send(webhook_id: str, message_id: str) -> ResponseReturnValue:
    """Send a message again."""
    found = catalog().webhooks.find_delivery(message_id)
    if found is None or found[0].id != webhook_id:
        abort(404)
    return _queue(webhook_id, lambda: catalog().webhooks.send_again(message_id, by=current_actor()))


def _queue(webhook_id: str, add: Callable[[], object]) -> ResponseReturnValue:
    webhook = _get(webhook_id)
    if not webhook.is_on:
        flash("The webhook is off. Turn it on first.", "warning")
        return redirect(_url("show", webhook_id=webhook_id), 303)
    try:
        add()
    except WebhookLimitError as error:
        flash(str(error), "danger")
    else:
        flash("The message is sent in a moment. Reload the page to see what became of it.", "info")
    return redirect(_url("show", webhook_id=webhook_id), 303)


@route("/<webhook_id>/turn/<choice>", "POST")
def turn(webhook_id: str, choice: str) -> ResponseReturnValue:
    """Turn a webhook on or off."""
    if choice not in {"on", "off"}:
        abort(404)
    change_webhook(operations(), _get(webhook_id), is_on=choice == "on")
    flash(f"The webhook is {choice}.", "success")
    return redirect(_url("show", webhook_id=webhook_id), 303)


@route("/<webhook_id>/secret", "POST")
def secret(webhook_id: str) -> ResponseReturnValue:
    """Give a webhook another secret, after a question."""
    webhook, back = _get(webhook_id), _url("show", webhook_id=webhook_id)
    question = "Renew the secret? The receiver refuses messages until it knows the new one."
    if ask := ask_first(question, button="Renew", back=back, layout="backend/base.html"):
        return ask
    keep_once(f"webhook {webhook.id}", renew_webhook_secret(operations(), webhook))
    return redirect(back, 303)


@route("/<webhook_id>/remove", "POST")
def remove(webhook_id: str) -> ResponseReturnValue:
    """Remove a webhook, after a question."""
    webhook, back = _get(webhook_id), _url("show", webhook_id=webhook_id)
    question = f"Remove the webhook {webhook.url}? Messages that wait are not sent."
    if ask := ask_first(question, button="Remove", back=back, layout="backend/base.html"):
        return ask
    catalog().webhooks.remove(webhook.id, by=current_actor())
    flash("The webhook is removed.", "success")
    return redirect(_url("index"), 303)


def _get(webhook_id: str) -> Webhook:
    """Return a webhook of this reach; others are not found (R40)."""
    found = catalog().webhooks.find(webhook_id) if webhook_id.isalnum() else None
    if found is None or found.tenant_id != _tenant_id():
        abort(404)
    return found


def _tenant_id() -> str | None:
    tenant = current_scope().tenant
    return tenant.id if tenant is not None else None


def _reach() -> str:
    return "platform" if current_scope().tenant is None else "site"


def _url(view: str, **values: Any) -> str:
    return url_for(f".{_reach()}_{view}", **values)

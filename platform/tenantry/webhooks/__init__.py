"""Webhooks' way out: which addresses may be called, and how a message is sent there."""

from tenantry.webhooks.addresses import Outside, check_webhook_url
from tenantry.webhooks.sending import send

__all__ = ["Outside", "check_webhook_url", "send"]

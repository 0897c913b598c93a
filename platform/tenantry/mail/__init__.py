"""Mail: templates, limits, and the job that hands a message to a mail server."""

from tenantry.mail.jobs import mail_jobs
from tenantry.mail.outbox import Outbox
from tenantry.mail.rendering import MailLook, Rendered, render_mail

__all__ = ["MailLook", "Outbox", "Rendered", "mail_jobs", "render_mail"]

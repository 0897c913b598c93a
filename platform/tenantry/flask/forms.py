"""What the forms of the bundled apps share. It needs the extra ``site``."""

from __future__ import annotations

from typing import Any

import email_validator  # noqa: F401 - no request should be the first to import it
from flask_wtf import FlaskForm
from wtforms import EmailField, ValidationError
from wtforms.validators import DataRequired, Length

from tenantry.catalog.accounts import canonical_email
from tenantry.errors import BadEmailError
from tenantry.flask.problems import note_faults
from tenantry.values.wording import without_controls

MAX_EMAIL = 254
"""Characters of an e-mail address (RFC 5321, section 4.5.3.1.3, without the angle brackets)."""


class Form(FlaskForm):
    """A form whose faults also reach clients that ask for JSON. It needs Flask-WTF."""

    def validate(self, extra_validators: Any = None) -> bool:
        """Say whether the answers are acceptable."""
        valid: bool = super().validate(extra_validators)
        if not valid:
            note_faults(self)
        return valid


def email_field(label: str, *, required: str | None = None, **options: Any) -> EmailField:
    """Return a field for an e-mail address, which need not be valid.

    :param required: The sentence for an empty field; WTForms' own by default.
    :param options: What else WTForms takes: filters, description, attributes; further validators.
    """
    further = options.pop("validators", ())
    validators = [DataRequired(required), Length(max=MAX_EMAIL), *further]
    return EmailField(label, validators=validators, **options)


def is_email(form: object, field: Any) -> None:  # noqa: ARG001 - as WTForms calls it
    """Hold a field to the rule that the catalog has for e-mail addresses.

    :raises ValidationError: It says what is wrong with the address.
    """
    try:
        canonical_email(field.data or "")
    except BadEmailError as error:
        raise ValidationError(f"This is not an e-mail address: {error.problem}") from error


def one_line(value: str | None) -> str | None:
    """Return a field's text on one line, whatever was sent: names stand in subjects of mails.

    Control characters are left out: no page may show them back.
    """
    return without_controls(" ".join(value.split())) if value else value

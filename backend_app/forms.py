"""The backend's forms: what is asked for, and which answers are acceptable by themselves."""

from __future__ import annotations

from typing import Any

from wtforms import (
    BooleanField,
    ColorField,
    EmailField,
    SelectField,
    SelectMultipleField,
    StringField,
    SubmitField,
    ValidationError,
)
from wtforms.validators import DataRequired, Length, Optional, Regexp
from wtforms.widgets import CheckboxInput

from tenantry.errors import BadEmailError, BadSlugError
from tenantry.flask.forms import MAX_EMAIL, Form, email_field, is_email, one_line
from tenantry.mail.outbox import deliverable
from tenantry.values.slugs import check_slug, suggest_slug


def stripped(value: str | None) -> str | None:
    """Return a text without the spaces around it."""
    return value.strip() if value else value


class DomainForm(Form):
    """A domain that is to lead to the site."""

    domain = StringField(
        "Domain",
        validators=[DataRequired("Enter a domain."), Length(max=300)],
        filters=[stripped],
        description="As shop.example or blog.shop.example.",
        render_kw={"autocapitalize": "none", "spellcheck": "false", "inputmode": "url"},
    )
    with_www = BooleanField("Also add the name with www. in front")
    submit = SubmitField("Add the domain")


class NewTenantForm(Form):
    """A site to be."""

    slug = StringField(
        "Address",
        validators=[DataRequired(), Length(max=40)],
        filters=[stripped],
        render_kw={"autocapitalize": "none", "spellcheck": "false", "autofocus": True},
    )
    name = StringField(
        "Name of the site", validators=[DataRequired(), Length(max=100)], filters=[stripped]
    )
    owner_email = email_field(
        "Owner's e-mail",
        validators=[is_email],
        filters=[stripped],
        description="The platform creates an account if there is none, and a link to set a password.",
    )
    listed = BooleanField("Show it in the public directory", default=True)
    submit = SubmitField("Create site")

    def validate_slug(self, field: Any) -> None:
        """Say at once why a name cannot be used."""
        try:
            check_slug(field.data)
        except BadSlugError as error:
            like = suggest_slug(field.data)
            hint = f" You could take “{like}”." if like else ""
            problem = error.problem[:1].upper() + error.problem[1:]
            raise ValidationError(f"{problem}.{hint}") from error


class VisitForm(Form):
    """Why an operator enters a customer's site."""

    reason = StringField(
        "Reason",
        validators=[DataRequired(), Length(max=500)],
        filters=[stripped],
        description="The audit trail records it, and the owner can read it.",
    )
    submit = SubmitField("Manage as operator")


class SiteForm(Form):
    """How a site presents itself."""

    name = StringField(
        "Name of the site", validators=[DataRequired(), Length(max=100)], filters=[stripped]
    )
    tagline = StringField(
        "Tagline",
        validators=[Optional(), Length(max=160)],
        filters=[stripped],
        description="One line under the name.",
    )
    language = StringField(
        "Language of the posts",
        validators=[
            Optional(),
            Regexp(
                r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,2}\Z",
                message="A language tag such as en, ar or pt-BR.",
            ),
        ],
        filters=[stripped],
        description="A tag such as en, ar or pt-BR. Screen readers and search engines use it.",
        render_kw={"autocapitalize": "none", "spellcheck": "false", "maxlength": 20},
    )
    accent = ColorField(
        "Accent colour",
        validators=[
            Optional(),
            Regexp(r"#[0-9a-fA-F]{6}\Z", message="A colour as #1f6feb."),
        ],
    )
    listed = BooleanField("Show the site in the platform's public directory")
    mail_name = StringField(
        "Sender's name",
        validators=[Optional(), Length(max=100)],
        filters=[one_line],
        description="The name of the site, if this is empty.",
    )
    mail_reply_to = EmailField(
        "Address for answers",
        validators=[Optional(), Length(max=MAX_EMAIL)],
        filters=[one_line],
        description="Answers to the site's mail go there.",
    )
    submit = SubmitField("Save")

    def validate_mail_reply_to(self, field: Any) -> None:
        """Refuse what no mail could be answered to."""
        try:
            deliverable(field.data)
        except BadEmailError as error:
            raise ValidationError(f"This is not an e-mail address: {error.problem}") from error


class ApiTokenForm(Form):
    """A token of the API to be."""

    name = StringField(
        "Name",
        validators=[DataRequired("Enter a name."), Length(max=60)],
        filters=[stripped],
        description="What uses it, as “nightly report”.",
    )
    days = SelectField(
        "Expires after",
        coerce=int,
        default=90,
        choices={"7": "7 days", "30": "30 days", "90": "90 days", "366": "a year"},
    )
    scopes = SelectMultipleField("It may", option_widget=CheckboxInput())
    submit = SubmitField("Create the token")

    def validate_scopes(self, field: Any) -> None:
        """Ask for one: a validator of the library's would want each box to be ticked."""
        if not field.data:
            raise ValidationError("Choose at least one.")

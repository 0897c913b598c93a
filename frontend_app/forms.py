"""The front app's forms: what is asked for, and which answers are acceptable by themselves."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from wtforms import (
    BooleanField,
    HiddenField,
    PasswordField,
    SelectField,
    StringField,
    SubmitField,
    ValidationError,
)
from wtforms.validators import DataRequired, EqualTo, Length, Optional, Regexp

from tenantry.flask.forms import Form, email_field, is_email, one_line

MAX_PASSWORD = 1024
PASSWORD_HINT = "At least 12 characters. A few words you can remember do well."  # noqa: S105
LANGUAGES = {"": "The browser's", "en": "English", "de": "Deutsch"}
_PLAIN = {"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}


class AddressForm(Form):
    """A form with an e-mail address, held to the catalog's rule."""

    email = email_field(
        "E-mail", validators=[is_email], filters=[one_line], render_kw={"autocomplete": "email"}
    )


class TermsForm(Form):
    """A yes to the terms."""

    terms = BooleanField("I accept the terms")
    terms_version = HiddenField(filters=[one_line])
    submit = SubmitField("Accept and go on")


class NewSiteForm(TermsForm):
    """A site for somebody who has an account."""

    slug = StringField(
        "Name of the site",
        validators=[DataRequired(), Length(max=63)],
        filters=[one_line, lambda value: value.lower() if value else value],
        render_kw=_PLAIN,
    )
    title = StringField(
        "Title",
        validators=[DataRequired(), Length(max=100)],
        filters=[one_line],
        description="Visitors see it at the top of every page. You can change it later.",
    )
    submit = SubmitField("Create the site")


class SignUpForm(NewSiteForm, AddressForm):
    """A site and an account."""

    password = PasswordField(
        "Password",
        validators=[DataRequired(), Length(max=MAX_PASSWORD)],
        description=PASSWORD_HINT,
        render_kw={"autocomplete": "new-password"},
    )


class SignInForm(Form):
    """Who comes, and the proof."""

    email = email_field(
        "E-mail",
        filters=[one_line],
        render_kw={"autocomplete": "username", "autofocus": True},
    )
    password = PasswordField(
        "Password",
        validators=[DataRequired(), Length(max=MAX_PASSWORD)],
        render_kw={"autocomplete": "current-password"},
    )
    submit = SubmitField("Sign in")


class CodeForm(Form):
    """A code of an authenticator, or one that replaces it."""

    code = StringField(
        "Code",
        validators=[DataRequired(), Length(max=40)],
        filters=[one_line],
        description="Six digits from your authenticator, or one of your recovery codes.",
        render_kw={"autocomplete": "one-time-code", "autofocus": True, "inputmode": "text"},
    )
    submit = SubmitField("Continue")


class PasswordAgainForm(Form):
    """The proof once more."""

    password = PasswordField(
        "Password",
        validators=[DataRequired(), Length(max=MAX_PASSWORD)],
        render_kw={"autocomplete": "current-password", "autofocus": True},
    )
    submit = SubmitField("Continue")


class ForgotForm(AddressForm):
    """Whose password is forgotten."""

    submit = SubmitField("Send a link")


class NewPasswordForm(Form):
    """A new password, typed twice."""

    password = PasswordField(
        "New password",
        validators=[DataRequired(), Length(max=MAX_PASSWORD)],
        description=PASSWORD_HINT,
        render_kw={"autocomplete": "new-password"},
    )
    again = PasswordField(
        "Repeat new password",
        validators=[DataRequired(), EqualTo("password", "The two passwords differ.")],
        render_kw={"autocomplete": "new-password"},
    )
    submit = SubmitField("Set password and sign in")


class ChangePasswordForm(NewPasswordForm):
    """Another password, for those who know the current one."""

    current = PasswordField(
        "Current password",
        validators=[DataRequired(), Length(max=MAX_PASSWORD)],
        render_kw={"autocomplete": "current-password"},
    )
    submit = SubmitField("Change password")


class JoinForm(NewPasswordForm, TermsForm):
    """An account for somebody who was invited."""

    name = StringField(
        "Your name",
        validators=[Optional(), Length(max=100)],
        filters=[one_line],
        render_kw={"autocomplete": "name"},
    )
    submit = SubmitField("Create the account and accept")


class ProfileForm(Form):
    """What an account says of its holder."""

    name = StringField(
        "Name",
        validators=[Optional(), Length(max=100)],
        filters=[one_line],
        render_kw={"autocomplete": "name"},
    )
    language = SelectField(
        "Language",
        choices=LANGUAGES,
        validate_choice=True,
        description="Mails about your account are in this language. Pages are in English.",
    )
    time_zone = StringField(
        "Time zone",
        validators=[Optional(), Length(max=60)],
        filters=[one_line],
        description="As Europe/Berlin; empty for the browser's.",
        render_kw={"list": "time-zones", **_PLAIN},
    )
    submit = SubmitField("Save")

    def validate_time_zone(self, field: Any) -> None:
        """Accept only zones of the time zone database."""
        if field.data not in available_timezones():
            raise ValidationError(
                f"There is no time zone “{field.data}”; try one as Europe/Berlin."
            )


class NewAddressForm(AddressForm):
    """Another address for the account."""

    submit = SubmitField("Change the address")


class PasskeyForm(Form):
    """What the browser's authenticator has answered."""

    answer = HiddenField(validators=[DataRequired(), Length(max=20_000)])
    name = StringField("Name of the passkey", validators=[Optional(), Length(max=60)])
    submit = SubmitField("Add a passkey")


class InviteForm(AddressForm):
    """A colleague, and what they may do."""

    role = SelectField(
        "Role",
        choices={"staff": "Admin: manages the site", "owner": "Owner: manages people, too"},
    )
    submit = SubmitField("Send the invitation")


class TransferForm(AddressForm):
    """Who is to own the site."""

    submit = SubmitField("Offer the site")


class DeleteForm(Form):
    """The account's address, typed by its holder."""

    typed = StringField(
        "Type your e-mail address to delete your account",
        validators=[
            DataRequired(),
            Length(max=254),
            Regexp(r"\S+@\S+\Z", message="This is not your address."),
        ],
        filters=[one_line],
        render_kw=_PLAIN,
    )
    submit = SubmitField("Delete my account")

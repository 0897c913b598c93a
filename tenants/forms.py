"""The forms of a site."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import (
    BooleanField,
    DateTimeLocalField,
    EmailField,
    HiddenField,
    IntegerField,
    PasswordField,
    SelectField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.validators import DataRequired, EqualTo, Length, NumberRange, Optional
from wtforms.widgets import HiddenInput

from tenantry import canonical_email, check_password, current_tenant, note_faults
from tenantry.errors import BadEmailError, WeakPasswordError
from tenants.markdown import MAX_MARKUP, measure_markup
from tenants.media_library import list_choices
from tenants.tags import read_tags
from tenants.text import SLUG_LENGTH, clean_line, clean_text, fold_email

ALT_LENGTH = 400
POST_LENGTH = 100_000
EXCERPT_LENGTH = 300
COMMENT_LENGTH = 5_000
TOO_MUCH_MARKUP = (
    "This text has too much formatting: too many characters such as * [ ] | and line ends, or too "
    "large a table. Split it into several posts."
)

_NEW_PASSWORD = {"autocomplete": "new-password"}
_OLD_PASSWORD = {"autocomplete": "current-password"}


class Form(FlaskForm):
    """A form whose faults also reach clients that ask for JSON."""

    def validate(self, extra_validators: Any = None) -> bool:
        """Say whether the answers are acceptable."""
        valid: bool = super().validate(extra_validators)
        if not valid:
            note_faults(self)
        return valid


class MomentField(DateTimeLocalField):
    """A moment in UTC, to the minute."""

    data: datetime | None

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read what was typed; browsers without such a field send any text."""
        try:
            super().process_formdata([text for text in valuelist if text.strip()])
        except ValueError as error:
            raise ValueError("Write the day and the time like this: 2027-01-31 09:30.") from error
        if self.data is not None:
            self.data = self.data.replace(tzinfo=UTC)


class PostForm(Form):
    """A post to write or edit."""

    key = HiddenField()
    """Which unsaved text this is."""
    version = IntegerField(widget=HiddenInput(), validators=[Optional()])
    """The version of the post that the editor was opened with."""
    title = StringField(
        "Title",
        filters=[clean_line],
        validators=[DataRequired("Give the post a title."), Length(max=160)],
        render_kw={"autocomplete": "off"},
    )
    body = TextAreaField(
        "Text",
        filters=[clean_text],
        validators=[DataRequired("Write something first."), Length(max=POST_LENGTH)],
        description="Markdown: # Heading, **bold**, *italic*, > quote, - list, `code`, [link](https://…).",
    )
    tags = StringField(
        "Tags",
        filters=[clean_line],
        validators=[Length(max=500)],
        description="Separated by commas. Each tag has a page with its posts.",
        render_kw={"autocomplete": "off"},
    )
    excerpt = StringField(
        "Excerpt",
        filters=[clean_line],
        validators=[Length(max=EXCERPT_LENGTH)],
        description="Shown in lists and by search engines. Empty: the post's first paragraph.",
        render_kw={"autocomplete": "off"},
    )
    address = StringField(
        "Address",
        filters=[clean_line],
        validators=[Length(max=SLUG_LENGTH)],
        description="The last part of the URL. Made from the title if you leave it empty. "
        "The old address of a published post leads to the new one.",
        render_kw={"autocomplete": "off"},
    )
    cover = SelectField(
        "Cover picture",
        choices=lambda _form, field: list_choices(field.data or ""),
        validate_choice=False,
        description="Stands above the post, in lists, and beside links to it in other services.",
    )
    kind = SelectField(
        "Shown as",
        choices={
            "page": "Page, in the menu",
            "post": "Post, among the others",
            "featured": "Featured post, above the others",
        },
        validators=[Optional()],
    )
    publish_at = MomentField(
        "Publish at (UTC)",
        format=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
        validators=[Optional()],
        description="Choose “Publish”, and nobody but editors sees the post before. Empty: at once.",
    )

    def validate_tags(self, field: StringField) -> None:
        """Refuse too many tags, and tags that are no words."""
        try:
            read_tags(field.data or "")
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def validate_body(self, field: TextAreaField) -> None:
        """Refuse a text whose markup would take seconds to read."""
        if measure_markup(field.data or "") > MAX_MARKUP:
            raise ValidationError(TOO_MUCH_MARKUP)


class UploadForm(Form):
    """A file for the library."""

    file = FileField("File", validators=[FileRequired("Choose a file.")])
    alt = StringField(
        "Description",
        filters=[clean_line],
        validators=[Length(max=ALT_LENGTH)],
        description="What the picture shows, for people who do not see it.",
        render_kw={"autocomplete": "off"},
    )


class DescriptionForm(Form):
    """What a picture shows."""

    alt = StringField(
        "Description",
        filters=[clean_line],
        validators=[Length(max=ALT_LENGTH)],
        description="What the picture shows, for people who do not see it. Posts that describe it "
        "themselves keep their words.",
        render_kw={"autocomplete": "off"},
    )


class CommentForm(Form):
    """A comment below a post."""

    key = HiddenField()
    parent = IntegerField(widget=HiddenInput(), validators=[Optional()])
    """The comment that it answers."""
    text = TextAreaField(
        "Your comment",
        filters=[clean_text],
        validators=[DataRequired("Write something first."), Length(max=COMMENT_LENGTH)],
        render_kw={"rows": 4},
        description="Markdown works: **bold**, *italic*, > quote, `code`.",
    )


class CommentRulesForm(Form):
    """The rules for comments; a number that is left empty is no rule."""

    hold_first = BooleanField("The first comment of each member waits")
    max_links = IntegerField(
        "Links in a comment",
        validators=[Optional(), NumberRange(0, 100, "Enter a number from 0 to 100, or none.")],
        description="A comment with more of them waits. Empty: any number.",
        render_kw={"inputmode": "numeric"},
    )
    held_words = TextAreaField(
        "Words that hold a comment back",
        filters=[clean_text],
        validators=[Length(max=5_000)],
        description="One word or phrase a line. Case and punctuation do not matter.",
        render_kw={"rows": 6},
    )
    close_days = IntegerField(
        "Days that a post takes comments",
        validators=[Optional(), NumberRange(1, 3650, "Enter a number from 1 to 3650, or none.")],
        description="Counted from its publication. Empty: for good.",
        render_kw={"inputmode": "numeric"},
    )


class _PasswordForm(Form):
    """A form that sets a password."""

    def context(self) -> tuple[str, ...]:
        """Return the words that the password must not be built from."""
        return (current_tenant.name, current_tenant.slug, *current_tenant.hosts)

    def validate_password(self, field: PasswordField) -> None:
        """Refuse what is easy to guess (R50)."""
        try:
            check_password(field.data or "", *self.context())
        except WeakPasswordError as error:
            raise ValidationError(str(error)) from error


class SignUpForm(_PasswordForm):
    """A new member."""

    name = StringField(
        "Name",
        filters=[clean_line],
        validators=[DataRequired("Enter your name."), Length(max=80)],
        description="Shown next to your posts and comments.",
        render_kw={"autocomplete": "name"},
    )
    email = EmailField(
        "E-mail address",
        filters=[fold_email],
        validators=[
            DataRequired("Enter your e-mail address."),
            Length(max=254),
        ],
        description=(
            "Not shown on the site. Its owner, its staff and the platform's operators can see it."
        ),
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        "Password",
        validators=[DataRequired("Choose a password.")],
        description="At least 10 characters; a few words do well.",
        render_kw=_NEW_PASSWORD,
    )

    def validate_email(self, field: EmailField) -> None:
        """Hold the address to the platform's own rule."""
        try:
            canonical_email(field.data or "")
        except BadEmailError as error:
            raise ValidationError("This is not an e-mail address.") from error

    def context(self) -> tuple[str, ...]:
        """Add what the member says about themselves."""
        return (*super().context(), self.name.data or "", self.email.data or "")


class SignInForm(Form):
    """An address and a password."""

    email = EmailField(
        "E-mail address",
        filters=[fold_email],
        validators=[DataRequired("Enter your e-mail address."), Length(max=254)],
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        "Password",
        validators=[DataRequired("Enter your password."), Length(max=1024)],
        render_kw=_OLD_PASSWORD,
    )


class NameForm(Form):
    """What a member is called."""

    name = StringField(
        "Name",
        filters=[clean_line],
        validators=[DataRequired("Enter your name."), Length(max=80)],
        description="Shown next to your posts and comments.",
        render_kw={"autocomplete": "name"},
    )


class ProfileForm(Form):
    """What a member says of themselves."""

    about = TextAreaField(
        "About you",
        filters=[clean_line],
        validators=[Length(max=500)],
        description="A few sentences of plain text: 500 characters at most.",
        render_kw={"rows": 5},
    )


class PasswordForm(_PasswordForm):
    """A member's new password. Those who have none yet are not asked for it."""

    current = PasswordField("Current password", render_kw=_OLD_PASSWORD)
    password = PasswordField(
        "New password",
        validators=[DataRequired("Choose a password.")],
        description="At least 10 characters; a few words do well.",
        render_kw=_NEW_PASSWORD,
    )
    again = PasswordField(
        "Repeat new password",
        validators=[EqualTo("password", "The two passwords differ.")],
        render_kw=_NEW_PASSWORD,
    )

"""The form of a declared operation: a field for each of its parameters."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from wtforms import (
    BooleanField,
    DateTimeLocalField,
    EmailField,
    Field,
    IntegerField,
    SelectField,
    StringField,
    SubmitField,
    TextAreaField,
    ValidationError,
)
from wtforms.validators import DataRequired, Length, NumberRange, Optional

from backend_app.carrying import take_field
from backend_app.context import operations
from backend_app.forms import stripped
from tenantry.flask.forms import Form

if TYPE_CHECKING:
    from tenantry.lifecycle.declaration import Declaration, Parameter

LONG_TEXTS = {"reason": 500, "message": 500}
REQUIRED_HERE = {"reason"}
"""In the console each reason is asked for; the audit trail and the owner read it."""
PLAIN_TEXT = {"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}
MAX_NUMBER = 10_000


class OperationForm(Form):
    """What every operation's form has: a button that does it, and one that only shows what it does."""

    wanted = ""
    """What has to be typed to do it; empty if nothing has."""

    dry_run = SubmitField("Show what it would do")
    submit = SubmitField("")

    def validate_typed(self, field: Any) -> None:
        """Compare the name, unless nothing is to be done yet."""
        if not self.dry_run.data and (field.data or "").strip() != self.wanted:
            raise ValidationError(f"That is not “{self.wanted}”.")

    def arguments(self, declared: Declaration) -> dict[str, Any]:
        """Return what the operation takes; what was left empty is its default."""
        found = {one.name: self._fields[one.name].data for one in declared.parameters}
        return {
            one.name: one.default if found[one.name] in {None, ""} else found[one.name]
            for one in declared.parameters
        }


def make_form(declared: Declaration, slug: str, given: dict[str, str]) -> OperationForm:
    """Return the form of an operation on a tenant, filled from the request.

    :param slug: The tenant's; or, of an operation on many, their number.
    :param given: What stands in its fields at first.
    """
    fields: dict[str, Any] = {
        one.name: _to_field(one, one.find_choices(operations(), slug))
        for one in declared.parameters
    }
    if declared.is_typed:
        fields["typed"] = StringField(
            f"Type {slug} to confirm", filters=[stripped], render_kw=PLAIN_TEXT
        )
    kind = type("DeclaredForm", (OperationForm,), {**fields, "wanted": slug})
    carried = {name: take_field(name) for name in LONG_TEXTS if name in fields}
    form: OperationForm = kind(data=given | {name: text for name, text in carried.items() if text})
    form.submit.label.text = declared.title
    return form


def _to_field(parameter: Parameter, choices: tuple[str, ...]) -> Field:
    """Return the field of a parameter, not yet bound to a form."""
    hint, name = parameter.hint, parameter.name
    is_required = parameter.is_required or name in REQUIRED_HERE
    needed: Any = DataRequired(f"Enter {_with_article(hint.label)}.") if is_required else Optional()
    if parameter.type is bool:
        return BooleanField(hint.label, description=hint.text)
    common: dict[str, Any] = {"description": hint.text, "validators": [needed]}
    if choices or hint.choices:
        if not choices:
            common["description"] = "There is none."
        return SelectField(hint.label, choices=list(choices), **common)
    if parameter.type is int:
        common["validators"].append(NumberRange(1, MAX_NUMBER))
        return IntegerField(hint.label, **common)
    if parameter.type is datetime:
        return DateTimeLocalField(hint.label, format=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"], **common)
    common |= {"filters": [stripped]}
    common["validators"].append(Length(max=LONG_TEXTS.get(name, 254)))
    if name in LONG_TEXTS:
        return TextAreaField(hint.label, render_kw={"rows": 2}, **common)
    kind = EmailField if "email" in name else StringField
    return kind(hint.label, render_kw=PLAIN_TEXT, **common)


def _with_article(label: str) -> str:
    word = label[:1].lower() + label[1:]
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"

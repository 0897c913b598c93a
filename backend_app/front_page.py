"""Operators edit the front page: its look, its texts, and the legal pages. Each save is a revision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import (
    Blueprint,
    abort,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import (
    BooleanField,
    ColorField,
    IntegerField,
    StringField,
    SubmitField,
    TextAreaField,
)
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Regexp
from wtforms.widgets import HiddenInput

from backend_app.access import OPERATORS, open_to
from backend_app.context import backend, catalog, operations
from backend_app.tables import TableQuery
from tenantry import ask_first
from tenantry.errors import (
    BadArgumentError,
    BadImageError,
    FrontPageConflictError,
    TermsFileError,
)
from tenantry.flask.forms import Form, one_line
from tenantry.ui.colours import DEFAULT_ACCENT, find_changes
from tenantry.values.front_page import (
    CONTENT,
    LEGAL,
    MAX_ABOUT,
    MAX_LEAD,
    MAX_LEGAL,
    MAX_LINE,
    MAX_NAME,
    FrontPage,
)
from tenantry.values.png import MAX_BYTES, MAX_SIDE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask.typing import ResponseReturnValue

bp = Blueprint("front_page", __name__, url_prefix="/front-page")

LEGAL_TITLES = {"terms": "Terms", "privacy": "Privacy", "imprint": "Imprint"}
IS_COLOUR = Regexp(r"#[0-9a-fA-F]{6}\Z", message="A colour as #1f6feb.")
MARKDOWN = "Markdown: # heading, **bold**, - list, [a link](https://…)."
PAGE_SIZE = 20


def _as_written(text: str | None) -> str | None:
    """Return a text of several lines with line ends of one character each."""
    return text.replace("\r\n", "\n").strip() if text else text


class _Edit(Form):
    revision = IntegerField(
        "Revision", widget=HiddenInput(), validators=[InputRequired(), NumberRange(0, 10**9)]
    )
    """The one that the form was filled with: a newer one is not replaced in silence."""


class LookForm(_Edit):
    """What the front page looks like, and says."""

    name = StringField(
        "Name of the platform",
        validators=[DataRequired("Enter a name."), Length(max=MAX_NAME)],
        filters=[one_line],
    )
    tagline = StringField(
        "Tagline",
        validators=[Length(max=MAX_LINE)],
        filters=[one_line],
        description="Stands beside the name, in the page's title and below each page.",
    )
    logo = FileField(
        "Logo",
        description=f"A PNG of {MAX_BYTES // 1024} KiB and {MAX_SIDE} pixels a side at most.",
    )
    no_logo = BooleanField("Remove the logo")
    accent = ColorField("Colour", validators=[IS_COLOUR])
    own_dark = BooleanField("Use another colour in the dark theme")
    dark_accent = ColorField("Colour in the dark theme", validators=[IS_COLOUR])
    headline = StringField(
        "Headline",
        validators=[DataRequired("Enter a headline."), Length(max=MAX_LINE)],
        filters=[one_line],
    )
    lead = TextAreaField(
        "Text below the headline",
        validators=[Length(max=MAX_LEAD)],
        filters=[one_line],
        render_kw={"rows": 3},
    )
    about = TextAreaField(
        "More about the platform",
        validators=[Length(max=MAX_ABOUT)],
        filters=[_as_written],
        description=f"Replaces the sections about Tenantry. {MARKDOWN}",
        render_kw={"rows": 10},
    )
    footer = StringField(
        "Line below each page",
        validators=[Length(max=MAX_LINE)],
        filters=[one_line],
        description="By default the name and the tagline.",
    )
    submit = SubmitField("Save")


class LegalForm(_Edit):
    """One of the legal pages."""

    text = TextAreaField(
        "Text",
        validators=[Length(max=MAX_LEGAL)],
        filters=[_as_written],
        description=f"{MARKDOWN} Without a text there is no such page.",
        render_kw={"rows": 24},
    )
    submit = SubmitField("Save")


@bp.route("", methods=["GET", "POST"])
@open_to(OPERATORS)
def index() -> ResponseReturnValue:
    """Edit the look and the texts."""
    page = catalog().front_pages.get()
    form = LookForm(data=_to_fields(page))
    if form.validate_on_submit() and (saved := _save(form, _to_changes(form), form.logo)):
        return saved
    shown = render_template(
        "backend/front_page.html",
        form=form,
        page=page,
        changes=_list_adjusted(page),
        terms_file=backend().settings.terms_file,
        titles=LEGAL_TITLES,
    )
    return shown, _find_status(form)


@bp.route("/<any(terms, privacy, imprint):document>", methods=["GET", "POST"])
@open_to(OPERATORS)
def legal(document: str) -> ResponseReturnValue:
    """Edit a legal page."""
    page, terms_file = catalog().front_pages.get(), backend().settings.terms_file
    is_fixed = document == "terms" and terms_file is not None
    form = LegalForm(data={"revision": page.revision, "text": getattr(page, document)})
    if form.is_submitted() and is_fixed:
        abort(409, str(TermsFileError(str(terms_file))))
    if form.validate_on_submit() and (saved := _save(form, {document: form.text.data}, form.text)):
        return saved
    shown = render_template(
        "backend/legal_page.html",
        form=form,
        name=document,
        page=page,
        titles=LEGAL_TITLES,
        terms_file=terms_file if is_fixed else None,
    )
    return shown, _find_status(form)


@bp.get("/revisions")
@open_to(OPERATORS)
def revisions() -> ResponseReturnValue:
    """List the revisions."""
    found = catalog().front_pages.list(page=TableQuery.from_request().page, size=PAGE_SIZE)
    return render_template(
        "backend/front_page_revisions.html", found=found, titles=LEGAL_TITLES, form=FlaskForm()
    )


@bp.get("/revisions/<int(max=2147483647):number>")
@open_to(OPERATORS)
def show(number: int) -> ResponseReturnValue:
    """Show what a revision said."""
    return render_template(
        "backend/front_page_revision.html",
        page=_find(number),
        newest=catalog().front_pages.get().revision,
        titles=LEGAL_TITLES,
    )


@bp.get("/revisions/<int(max=2147483647):number>/logo.png")
@open_to(OPERATORS)
def logo(number: int) -> ResponseReturnValue:
    """Serve a revision's logo, here too: the public one may be on another host."""
    page = _find(number)
    if not page.logo:
        abort(404)
    return make_response(page.logo, {"Content-Type": "image/png"})


@bp.post("/revisions/<int(max=2147483647):number>")
@open_to(OPERATORS)
def use_again(number: int) -> ResponseReturnValue:
    """Save an earlier revision's content as the newest one."""
    page, newest = _find(number), catalog().front_pages.get().revision
    question = f"Show revision {number} again, in place of what the front page says now?"
    back = url_for(".show", number=number)
    if ask := ask_first(question, button="Use it again", back=back, layout="backend/base.html"):
        return ask
    content = operations().get_front_page_content(page.revision)
    saved = operations().change_front_page(content, after=newest)
    flash(f"Saved as revision {saved.revision}. Visitors see it now.", "success")
    return redirect(url_for(".index"), 303)


def _find(number: int) -> FrontPage:
    page = FrontPage() if number == 0 else catalog().front_pages.find(number)
    if page is None:
        abort(404)
    return page


def _save(form: Any, changes: Mapping[str, Any], field: Any) -> ResponseReturnValue | None:
    """Save, and lead back to the page; or say what is wrong, in the form.

    :param field: That of the texts, where their faults are told.
    """
    try:
        operations().change_front_page(changes, after=form.revision.data)
    except (BadArgumentError, BadImageError) as error:
        field.errors = [str(error)]
        return None
    except FrontPageConflictError as error:
        form.revision.errors = [str(error)]
        # Sending the same form once more is the author's decision.
        form.revision.raw_data, form.revision.data = None, error.revision
        return None
    flash("Saved. Visitors see it now.", "success")
    return redirect(request.script_root + request.path, 303)


def _find_status(form: Any) -> int:
    if form.revision.errors and form.revision.data is not None:
        return FrontPageConflictError.status
    return 422 if form.errors else 200


def _to_fields(page: FrontPage) -> dict[str, Any]:
    """Return the form's content; a colour field cannot be empty: browsers would send black."""
    accent = page.accent or DEFAULT_ACCENT
    return {
        **{name: getattr(page, name) for name in CONTENT if name not in {"logo", *LEGAL}},
        "revision": page.revision,
        "accent": accent,
        "own_dark": bool(page.dark_accent),
        "dark_accent": page.dark_accent or accent,
    }


def _to_changes(form: LookForm) -> dict[str, Any]:
    texts = ("name", "tagline", "headline", "lead", "about", "footer")
    changes: dict[str, Any] = {name: form[name].data or "" for name in texts}
    accent, dark = str(form.accent.data).lower(), str(form.dark_accent.data).lower()
    changes["accent"] = "" if accent == DEFAULT_ACCENT else accent
    changes["dark_accent"] = dark if form.own_dark.data and dark != accent else ""
    if form.logo.data:
        changes["logo"] = form.logo.data.read(MAX_BYTES + 1)
    elif form.no_logo.data:
        changes["logo"] = b""
    return changes


def _list_adjusted(page: FrontPage) -> list[tuple[str, str, str]]:
    """Return where a colour cannot be shown as it is: theme, colour chosen, colour shown."""
    chosen = {"light": page.accent, "dark": page.dark_accent or page.accent}
    return [
        (theme, colour, shown)
        for theme, colour in chosen.items()
        if colour
        for where, shown in find_changes(colour)
        if where == theme
    ]

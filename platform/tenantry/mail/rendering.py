"""Renders a mail's template: a subject, a text, and a page in the site's look."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, TemplateNotFound, select_autoescape
from markupsafe import Markup

from tenantry.errors import BadMailError
from tenantry.ui import TEMPLATES
from tenantry.ui.colours import accent_tones, read_accent
from tenantry.values.front_page import NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tenantry.settings import Settings
    from tenantry.ui.colours import Tones
    from tenantry.values.front_page import FrontPage
    from tenantry.values.tenant import Tenant

SUBJECT = "Subject:"
_URL = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)]")


@dataclass(frozen=True, slots=True)
class MailLook:
    """What a mail shows of the site that sends it."""

    name: str
    url: str
    tones: Tones
    language: str
    """The reader's."""
    own_language: str = "en"
    """Of the templates that are of no language."""

    @classmethod
    def of(
        cls, tenant: Tenant | None, settings: Settings, front_page: FrontPage, language: str = ""
    ) -> MailLook:
        """Return the look of a tenant's site, or of the platform.

        :param language: The reader's; by default the site's.
        """
        own = {"accent": front_page.accent} if tenant is None else tenant.settings
        site = own.get("language")
        own_language = site if isinstance(site, str) and site else "en"
        return cls(
            name=name_platform(settings, front_page) if tenant is None else tenant.name,
            url=settings.apex_url if tenant is None else settings.site_url(tenant),
            tones=accent_tones(read_accent(own.get("accent")), dark=False),
            language=language or own_language,
            own_language=own_language,
        )


def name_platform(settings: Settings, front_page: FrontPage) -> str:
    """Return what the platform calls itself in mails: its domain, until operators name it."""
    return settings.domain if front_page.name == NAME else front_page.name


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's content."""

    subject: str
    text: str
    html: str


def render_mail(
    template: str,
    values: Mapping[str, Any],
    *,
    look: MailLook,
    render: Callable[[Sequence[str], Mapping[str, Any]], str] | None = None,
) -> Rendered:
    """Render ``mail/<template>.txt``, and ``mail/<template>.html`` if there is one.

    The text begins with a line ``Subject: ...``. A template of the reader's language is preferred:
    ``mail/welcome.de.txt``. Without an own page, the text becomes one; a paragraph that is nothing but
    an address becomes a button.

    :param render: Renders the first template of a list that is there; by default the platform's own.
    :raises BadMailError: There is no such template, or it has no subject.
    """
    render = render or _render_own
    known = {"look": look, **values}
    language, written = _find_written(template, look, lambda names: render(names, known))
    first, _, text = written.lstrip().partition("\n")
    subject = " ".join(first.removeprefix(SUBJECT).split())
    if not first.startswith(SUBJECT) or not subject:
        raise BadMailError(template, f"its first line is not `{SUBJECT} ...`")
    try:
        content = Markup(render(_names(template, look.language, "html"), known))  # noqa: S704
    except TemplateNotFound:
        content = _to_html(text)
    page = _environment().get_template("mail/layout.html")
    shown = page.render(subject=subject, content=content, look=look, language=language)
    return Rendered(subject[:200], text.strip() + f"\n\n-- \n{look.name}\n{look.url}\n", shown)


def _find_written(
    template: str, look: MailLook, render: Callable[[Sequence[str]], str]
) -> tuple[str, str]:
    """Return the text in the best language that there is, and which one that is."""
    for name in _names(template, look.language, "txt"):
        try:
            written = render([name])
        except TemplateNotFound:
            continue
        is_own = name == f"mail/{template}.txt"
        return look.own_language if is_own else look.language, written
    raise BadMailError(template, f"there is no template mail/{template}.txt")


def _names(template: str, language: str, kind: str) -> list[str]:
    short = language.partition("-")[0]
    return [f"mail/{template}.{part}{kind}" for part in (f"{language}.", f"{short}.", "")]


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape())


def _render_own(names: Sequence[str], values: Mapping[str, Any]) -> str:
    return _environment().select_template(list(names)).render(values)


def _to_html(text: str) -> Markup:
    """Return paragraphs with links; one that is only an address is a button."""
    parts = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        line = paragraph.strip()
        if _URL.fullmatch(line):
            parts.append(Markup('<p><a class="button" href="{0}">{0}</a></p>').format(line))
            continue
        linked, last = Markup(), 0
        for found in _URL.finditer(line):
            linked += line[last : found.start()]
            linked += Markup('<a href="{0}">{0}</a>').format(found[0])
            last = found.end()
        linked += line[last:]
        parts.append(Markup("<p>{}</p>").format(linked.replace("\n", Markup("<br>\n"))))
    return Markup("\n").join(parts)

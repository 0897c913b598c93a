"""Extracts the links and forms of a page."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from io import BytesIO
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

LAST_WORDS = ("sign-out", "signout", "log-out", "logout", "delete", "remove", "everywhere", "close")
"""Forms and links that end something come after the others."""

FIXED = {
    "date": "2030-01-31",
    "datetime-local": "2030-01-31T12:00",
    "month": "2030-01",
    "week": "2030-W05",
    "time": "12:00",
    "color": "#336699",
    "tel": "+41445550100",
}


@dataclass(slots=True)
class Field:
    """One control of a form."""

    name: str
    kind: str
    value: str = ""
    options: list[str] = field(default_factory=list)
    attributes: dict[str, str | None] = field(default_factory=dict)


@dataclass(slots=True)
class Form:
    """One form of a page."""

    action: str
    """Path and query."""

    method: str
    fields: list[Field] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    """Names and values of its buttons; sending it presses one of them."""

    @property
    def key(self) -> tuple[str, ...]:
        """What makes two forms the same."""
        return (self.method, urlsplit(self.action).path, *sorted(part.name for part in self.fields))

    def filled(self, person: Person) -> dict[str, Any]:
        """Return what *person* would send, without a button."""
        return {
            part.name: person.answer(part)
            for part in self.fields
            if part.name and not (part.kind == "radio" and not _is_chosen(part, self.fields))
        }


@dataclass(frozen=True, slots=True)
class Person:
    """Who fills in forms: always with the same address, so that signing in follows signing up.

    :param mark: Is in everything that this person sends.
    """

    mark: str

    @property
    def email(self) -> str:
        """The person's address; the domain is reserved (RFC 2606)."""
        return f"{self.mark}@example.com"

    @property
    def password(self) -> str:
        """A password that no rule refuses."""
        return f"Harbour-{self.mark[::-1]}-27!"

    def answer(self, part: Field) -> Any:  # noqa: PLR0911 - a table of kinds
        """Return a plausible value."""
        name = part.name.lower()
        if part.kind == "hidden":
            return part.value
        if part.kind in {"checkbox", "radio"}:
            return part.value or "on"
        if part.options:
            return part.options[-1]
        if part.kind == "password" or "password" in name:
            return self.password
        if part.kind == "email" or "email" in name:
            return self.email
        if part.kind == "file":
            return (BytesIO(f"A file of {self.mark}.\n".encode()), f"{self.mark}.txt")
        if part.kind == "url":
            return f"https://example.com/{self.mark}"
        if part.kind in {"number", "range"}:
            return part.attributes.get("min") or part.value or "1"
        if part.kind in FIXED:
            return FIXED[part.kind]
        return self._text_for(part, name)

    def _text_for(self, part: Field, name: str) -> str:
        length = part.attributes.get("maxlength") or ""
        most = int(length) if length.isdecimal() else 1000
        text = self.mark if "slug" in name else f"{self.mark} {name}"
        return text[:most]


class Page(HTMLParser):
    """The links and forms of one HTML page.

    :param url: Where the page is, with its host.
    """

    def __init__(self, url: str, text: str) -> None:
        super().__init__()
        self._url = url
        self._form: Form | None = None
        self._area: Field | None = None
        self._select: Field | None = None
        self.status = 0
        self.links: list[str] = []
        self.forms: list[Form] = []
        self.feed(text)
        self.close()

    @property
    def asks_for_password(self) -> bool:
        """Whether a form on it has a field for a password."""
        return any(part.kind == "password" for form in self.forms for part in form.fields)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        for name in ("href", "src", "hx-get"):
            if values.get(name) and (path := self.local(values[name] or "")) is not None:
                self.links.append(path)
        if tag == "form":
            self._open(values)
        elif self._form is not None:
            self._add(tag, values)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "textarea":
            self._area = None
        elif tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area.value += data

    def local(self, target: str) -> str | None:
        """Return path and query of a target on the same host."""
        try:
            parts = urlsplit(urldefrag(urljoin(self._url, target.strip()))[0])
        except ValueError:
            return None
        if parts.netloc != urlsplit(self._url).netloc or parts.scheme not in {"http", "https"}:
            return None
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def _open(self, values: dict[str, str | None]) -> None:
        action = self.local(values.get("action") or self._url)
        if action is not None:
            self._form = Form(action, (values.get("method") or "get").upper())
            self.forms.append(self._form)

    def _add(self, tag: str, values: dict[str, str | None]) -> None:
        assert self._form is not None
        name, value = values.get("name") or "", values.get("value") or ""
        kind = (values.get("type") or "").lower()
        if tag == "button" or (tag == "input" and kind in {"submit", "image"}):
            if kind in {"", "submit", "image"}:
                self._form.buttons.append((name, value))
        elif tag == "input" and kind not in {"button", "reset"} and "disabled" not in values:
            self._form.fields.append(Field(name, kind or "text", value, attributes=values))
        elif tag == "textarea":
            self._area = Field(name, "textarea", attributes=values)
            self._form.fields.append(self._area)
        elif tag == "select":
            self._select = Field(name, "select")
            self._form.fields.append(self._select)
        elif tag == "option" and self._select is not None and value:
            self._select.options.append(value)


def is_last(target: str) -> bool:
    """Say whether following *target* would end something that others still need."""
    return any(word in target.lower() for word in LAST_WORDS)


def _is_chosen(part: Field, fields: list[Field]) -> bool:
    group = [other for other in fields if other.kind == "radio" and other.name == part.name]
    marked = [other for other in group if "checked" in other.attributes]
    return part is (marked or group)[0]

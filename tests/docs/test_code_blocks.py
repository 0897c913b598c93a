"""Each Python block of the guides runs as it stands; what it defines is called where that is easy."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import flask
import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from flask_mail import Mail, Message
from flask_socketio import SocketIO
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from jinja2 import DictLoader

import tenantry
from tenantry.flask.tenant_context import _apps
from tenantry.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [
    pytest.param(page, id=page.name)
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if BLOCK.search(page.read_text())
]

LETTER = re.search(
    r"^```\n(Subject: .*?)^```$",
    (ROOT / "docs" / "mail.md").read_text(),
    re.MULTILINE | re.DOTALL,
)
assert LETTER
TEMPLATES = {"mail/welcome.txt": LETTER[1], "site/base.html": "{% block content %}{% endblock %}"}

TRIALS = {
    "create_app": "create_app(tenant) if create_app.__code__.co_argcount else create_app()",
    "provision": "provision(tenant)",
    "run_for": "run_for(tenant.id, send_invoice, 1)",
    "sign_in": "sign_in('ada@example.org', 'wrong')",
}
"""How to call what a block defines, by its name."""


def create_app() -> flask.Flask:
    """Make the app of the tenants; each block runs in its context."""
    app = flask.Flask(__name__)
    app.jinja_loader = DictLoader(TEMPLATES)
    SQLAlchemy().init_app(app)
    app.config["MAIL_SUPPRESS_SEND"] = True
    Mail(app)
    CSRFProtect(app)
    tenantry.init_ui(app)
    return app


@pytest.fixture
def tenantry_variables() -> dict[str, str]:
    """Return the settings of the platform."""
    return {"TENANTRY_FACTORY": f"{__name__}:create_app"}


@pytest.fixture
def reader(tenant: Any, tenant_app: flask.Flask) -> Iterator[dict[str, Any]]:
    """Yield the names that the pages take for granted, in a request for a tenant's app."""
    get_settings.cache_clear()
    _apps.cache_clear()
    names: dict[str, Any] = {
        **{name: getattr(flask, name) for name in ("Flask", "render_template", "url_for")},
        **{name: getattr(tenantry, name) for name in tenantry.__all__},
        "__file__": str(ROOT / "tenants" / "__init__.py"),  # it has migrations
        "__name__": "guide",
        "Path": Path,
        "SocketIO": SocketIO,
        "build_site": create_app,
        "confirmation_link": lambda _member: tenantry.site_url(),
        "mail": tenant_app.extensions["mail"],
        "member": SimpleNamespace(name="Ada", email="ada@example.org"),
        "open_database": lambda _app, _tenant: None,
        "pages": flask.Blueprint("pages", "guide"),
        "queue": SimpleNamespace(enqueue=lambda work, *arguments: work(*arguments)),
        "scheduler": BackgroundScheduler(),
        "tenant": tenant,
        "tenant_id": tenant.id,
        "number": 1,
        "url": "/",
    }
    names |= {
        name: lambda *_arguments: None
        for name in ("next_publication", "password_is_right", "send_invoice", "send_reminders")
    }
    with tenant_app.test_request_context("/", headers={"Host": "acme.localhost"}):
        names["message"] = Message("Hello", recipients=["ada@example.org"], sender="us@example.org")
        yield names
    _apps.cache_clear()


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run(page: Path, reader: dict[str, Any]) -> None:
    """A reader who copies one gets no error of ours; a traceback here names the page's own line."""
    text = page.read_text()
    for match in BLOCK.finditer(text):
        block, line = match[1], text[: match.start(1)].count("\n")
        defined = [name for name in TRIALS if re.search(rf"^def {name}\(", block, re.MULTILINE)]
        tried = "".join(f"{TRIALS[name]}\n" for name in defined)
        source = f"def block():\n{indent(block + tried, '    ')}\nblock()\n"
        names = {**reader, "app": flask.Flask("guide"), "db": SQLAlchemy()}
        exec(compile("\n" * (line - 1) + source, str(page), "exec"), names)  # noqa: S102 - our pages

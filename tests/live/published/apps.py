"""What a visitor does at each published app: sign up, write something, read it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.live.member import Visitor
    from tests.live.wire import Answer

PASSWORD = "a purple lantern over the harbour"


@dataclass(frozen=True)
class PublishedApp:
    """One app, as its makers publish it. A visitor writes the own name."""

    factory: str
    sign_up: Callable[[Visitor, str], Answer]
    sign_in: Callable[[Visitor, str], Answer]
    write: Callable[[Visitor, str], object]
    own: str
    """A page that only those who have signed in can see; ``{name}`` is who they are."""
    page: str
    """Where the name is to be read."""
    env: Mapping[str, str] = field(default_factory=dict)

    def read(self, visitor: Visitor, name: str) -> str:
        """Return the page where the visitor has written."""
        return visitor.get(self.page.format(name=name)).text

    def knows(self, visitor: Visitor, name: str) -> bool:
        """Say whether the visitor is signed in."""
        return visitor.get(self.own.format(name=name)).status == 200


def _form(visitor: Visitor, path: str, **values: str) -> Answer:
    """Send a form, with the token that its page has in it, if it has one."""
    page = visitor.get(path)
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    token = {"csrf_token": found.group(1)} if found else {}
    return visitor.send(path, {**values, **token})


def _flaskr_sign_up(visitor: Visitor, name: str) -> Answer:
    _form(visitor, "/auth/register", username=name, password=PASSWORD)
    return _flaskr_sign_in(visitor, name)


def _flaskr_sign_in(visitor: Visitor, name: str) -> Answer:
    return _form(visitor, "/auth/login", username=name, password=PASSWORD)


def _flaskr_write(visitor: Visitor, name: str) -> Answer:
    return _form(visitor, "/create", title=name, body=name)


def _money_sign_up(visitor: Visitor, name: str) -> Answer:
    return _form(
        visitor,
        "/create",
        name="A trip",
        id=name,
        password=PASSWORD,
        contact_email=f"{name}@example.org",
        default_currency="XXX",
    )


def _money_sign_in(visitor: Visitor, name: str) -> Answer:
    return _form(visitor, "/authenticate", id=name, password=PASSWORD)


def _money_write(visitor: Visitor, name: str) -> Answer:
    return _form(visitor, f"/{name}/members/add", name=name)


def _security_sign_up(visitor: Visitor, name: str) -> Answer:
    return _form(
        visitor,
        "/register",
        email=f"{name}@example.org",
        password=PASSWORD,
        password_confirm=PASSWORD,
    )


def _security_sign_in(visitor: Visitor, name: str) -> Answer:
    return _form(visitor, "/login", email=f"{name}@example.org", password=PASSWORD)


FLASKR = PublishedApp(
    "flaskr",
    _flaskr_sign_up,
    _flaskr_sign_in,
    _flaskr_write,
    own="/create",
    page="/",
    env={"TENANTRY_PROVISION": '["init-db"]'},
)
"""The blog of Flask's own tutorial: it opens sqlite3 by itself, and a command makes its tables."""

IHATEMONEY = PublishedApp(
    "ihatemoney.run", _money_sign_up, _money_sign_in, _money_write, own="/{name}/", page="/{name}/"
)
"""Shared budgets: Flask-SQLAlchemy with SQLAlchemy-Continuum, Flask-Migrate in the factory, Flask-WTF,
Flask-Limiter, Flask-Babel, Flask-RESTful, Flask-Talisman, and a wrapped ``wsgi_app``."""

SECURITY = PublishedApp(
    "fsqlalchemy1.app",
    _security_sign_up,
    _security_sign_in,
    lambda _visitor, _name: None,  # signing up has written it
    own="/",
    page="/",
    env={
        # It would ask the network's name servers, and has no extension to send mail with.
        "TENANTRY_PIN": '{"SECURITY_EMAIL_VALIDATOR_ARGS": {"check_deliverability": false}, '
        '"SECURITY_SEND_REGISTER_EMAIL": false}'
    },
)
"""The example of Flask-Security: accounts on Flask-SQLAlchemy, constant keys, no command for tables."""

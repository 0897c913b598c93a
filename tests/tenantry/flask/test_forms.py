"""What the bundled apps' forms share."""

from __future__ import annotations

import pytest
from flask import Flask
from wtforms import StringField
from wtforms.validators import DataRequired

from tenantry import init_problems
from tenantry.flask.forms import Form, email_field, is_email, one_line


class Card(Form):
    name = StringField("Name", filters=[one_line], validators=[DataRequired()])
    email = email_field("E-mail", required="Enter an address.", validators=[is_email])


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.config.update(SECRET_KEY="for tests", WTF_CSRF_ENABLED=False)
    init_problems(app)

    @app.post("/")
    def card() -> tuple[str, int]:
        form = Card()
        return (form.name.data or "", 200) if form.validate_on_submit() else ("<p>Faults", 422)

    return app


@pytest.mark.parametrize(
    ("email", "fault"),
    [
        ("", "Enter an address."),
        ("nobody", "This is not an e-mail address: An email address must have an @-sign."),
        (f"{'a' * 250}@b.test", "Field cannot be longer than 254 characters."),
    ],
)
def test_faults_reach_a_program(app: Flask, email: str, fault: str) -> None:
    """A client that asks for JSON learns which field is wrong and why."""
    form, headers = {"name": "Ada", "email": email}, {"Accept": "application/json"}
    answer = app.test_client().post("/", data=form, headers=headers)
    assert answer.status_code == 422
    assert answer.get_json()["errors"]["email"][0] == fault


def test_a_name_stays_on_one_line(app: Flask) -> None:
    """A line end in a name would begin a header of a mail."""
    form = {"name": " A\0da\r\nBcc:\x7f  all@x.test ", "email": "ada@example.com"}
    assert app.test_client().post("/", data=form).text == "Ada Bcc: all@x.test"

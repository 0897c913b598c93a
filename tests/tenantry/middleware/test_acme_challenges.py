"""Answers to certificate authorities: exactly the files that are there for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantry.middleware.acme_challenges import PREFIX, AcmeChallenges
from tests.tenantry.support import ask, hello

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"


def test_an_answer_is_handed_out_while_it_is_there(tmp_path: Path) -> None:
    """On every host; afterwards the path is the app's again."""
    app = AcmeChallenges(hello("app"), tmp_path)
    assert ask(app, PREFIX + TOKEN).text.startswith("app")
    (tmp_path / TOKEN).write_text(f"{TOKEN}.thumbprint")
    answer = ask(app, PREFIX + TOKEN, "shop.example.org")
    assert (answer.status, answer.text) == (200, f"{TOKEN}.thumbprint")
    assert ask(app, "/").text.startswith("app")


@pytest.mark.parametrize(
    "token", ["", ".", "..", "../secret-keys-of-all", "short", TOKEN + "/", "a" * 200, TOKEN + "\n"]
)
def test_no_other_file_is(tmp_path: Path, token: str) -> None:
    """A token has no dot and no slash, so it leads nowhere else."""
    (tmp_path / "acme").mkdir()
    (tmp_path / "secret-keys-of-all").write_text("secret")
    (tmp_path / "acme" / TOKEN).write_text("answer")
    (tmp_path / "acme" / "short").write_text("secret")
    app = AcmeChallenges(hello("app"), tmp_path / "acme")
    assert ask(app, PREFIX + token).text.startswith("app")

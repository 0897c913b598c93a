"""What the pages' tests look for is found."""

from __future__ import annotations

import pytest

from tests.markup import find_flaws

START = '<!doctype html><html lang="en"><head><title>T</title></head><body>'


@pytest.mark.parametrize(
    ("body", "flaw"),
    [
        ("<h1>One</h1><h3>Three</h3>", "h3 after h1"),
        ('<p id="a"></p><p id="a"></p>', "two #a"),
        ('<p hx-get="/">x</p>', "<p hx-get>"),
        ('<p style="color: red">x</p>', "<p style>"),
        ("<span><form></form></span>", "<form> in <span>"),
        ("<table><tr><th></th></tr></table>", "an empty <th>"),
        ('<label for="b">x</label>', "for leads to no #b"),
        ("<ul><p>x</p></ul>", "<p> in <ul>"),
        ("<a href=/><button>x</button></a>", "<button> in another"),
    ],
)
def test_each_flaw_is_found(body: str, flaw: str) -> None:
    """One of each kind."""
    assert flaw in find_flaws(f"{START}{body}")


def test_broken_syntax_is_found() -> None:
    """A tag that is not closed, or closed twice."""
    assert find_flaws(f"{START}<div><p>x</div></div>") != []
    assert find_flaws(f"{START}<p>fine</p>") == []

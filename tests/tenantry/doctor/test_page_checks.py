"""What a visitor finds on a page, and what it fills in."""

from __future__ import annotations

from tenantry.doctor.page_checks import Page, Person, is_last

ANN = Person("zqdxann")


def test_links_of_the_same_site_are_followed() -> None:
    """Only the site itself is visited; a fragment is no page of its own."""
    page = Page(
        "http://acme.test/posts/first",
        '<a href="second#top">.</a> <a href="/?page=2">.</a> <a href="http://other.test/">.</a>'
        '<a href="mailto:ann@acme.test">.</a> <a href="http://acme.test/about">.</a>',
    )
    assert page.links == ["/posts/second", "/?page=2", "/about"]


def test_a_form_is_filled_as_a_person_would() -> None:
    """Hidden values go back as they came; everything else bears the visitor's mark."""
    page = Page(
        "http://acme.test/join",
        """<form method="post">
        <input type="hidden" name="csrf_token" value="secret">
        <input name="name" maxlength="9"> <input type="email" name="mail">
        <input type="password" name="again"> <input type="number" name="age" min="18">
        <input type="radio" name="plan" value="a"> <input type="radio" name="plan" value="b" checked>
        <select name="tongue"><option value="">?</option><option value="en">English</option></select>
        <textarea name="words">Old</textarea> <input name="off" disabled>
        <button name="do" value="save">Save</button> <button type="button" name="no">No</button>
        </form>""",
    )
    [form] = page.forms
    values = form.filled(ANN)
    assert (form.method, form.action, form.buttons) == ("POST", "/join", [("do", "save")])
    assert values["csrf_token"] == "secret"
    assert values["name"] == "zqdxann n"
    assert values["mail"] == "zqdxann@example.com"
    assert values["again"] == ANN.password
    assert values["age"] == "18"
    assert values["plan"] == "b"
    assert values["tongue"] == "en"
    assert ANN.mark in values["words"]
    assert "off" not in values


def test_a_person_signs_in_with_what_it_signed_up_with() -> None:
    """The same person always gives the same address and password."""
    assert (ANN.email, ANN.password) == (Person("zqdxann").email, Person("zqdxann").password)
    assert ANN.mark not in ANN.password


def test_what_ends_something_comes_last() -> None:
    """Signing out or deleting early would close the doors to what comes after."""
    assert is_last("/members/sign-out")
    assert is_last("/posts/1/delete")
    assert not is_last("/members/sign-in")

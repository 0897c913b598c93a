"""Pictures come into a post: by a button, by pasting, by dropping; and without scripts."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from tests.live.browser.files import as_file, draw
from tests.live.browser.test_writing import open_editor, seat

if TYPE_CHECKING:
    from tests.live.browser.conftest import NewPerson
    from tests.live.browser.person import Person

HAND_OVER = """([kind, content]) => {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], `${kind}.png`, {type: "image/png"}));
    const options = {bubbles: true, cancelable: true};
    document.querySelector("textarea[name=body]").dispatchEvent(kind === "paste"
        ? new ClipboardEvent("paste", {clipboardData: data, ...options})
        : new DragEvent("drop", {dataTransfer: data, ...options}));
}"""
"""What a browser does when somebody pastes or drops a picture."""


def lines_of(colours: list[str]) -> re.Pattern[str]:
    """Return the text that shows a field of each colour."""
    shown = "".join(rf"!\[A {it} field\]\(/media/[0-9a-f]{{32}}\)\n\n" for it in colours)
    return re.compile(rf"Words before\.\n\n{shown}")


def sees_picture(person: Person, alt: str) -> None:
    """Wait until the picture is there with its pixels."""
    picture = person.page.get_by_role("img", name=alt, exact=True)
    expect(picture).to_be_visible()
    picture.scroll_into_view_if_needed()
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("(image) => image.naturalWidth") > 0


def test_pictures_are_inserted_where_the_cursor_is(new_person: NewPerson) -> None:
    """Each has its line, the cursor waits for its description, and a bad file says why."""
    author, _ = seat(new_person, "Pia Inserts", "author", scripts=True)
    open_editor(author)
    author.fill("Title", "Of pictures")
    author.fill("Text", "Words before.")
    with author.page.expect_file_chooser() as chooser:
        author.click("Insert a picture")
    author.expect_status(422)
    chooser.value.set_files(
        [as_file("red.png", draw("red")), as_file("bad.png", b"\x89PNG\r\n\x1a\nbad")]
    )
    author.is_told("This picture is damaged")
    author.page.keyboard.type("A red field")
    text, shown = author.page.get_by_label("Text", exact=True), ["red"]
    for kind, colour in (("paste", "green"), ("drop", "blue")):
        author.page.evaluate(HAND_OVER, [kind, b64encode(draw(colour)).decode()])
        author.is_told("Describe the picture")
        expect(author.page.get_by_role("progressbar")).to_be_hidden()
        author.page.keyboard.type(f"A {colour} field")
        shown.append(colour)
        expect(text).to_have_value(lines_of(shown))
    author.click("Publish")
    author.sees("Of pictures")
    for colour in ("red", "green", "blue"):
        sees_picture(author, f"A {colour} field")


def test_a_picture_needs_no_script(new_person: NewPerson) -> None:
    """Upload it in the library, write its line, choose it as a cover."""
    author, _ = seat(new_person, "Noor Plain", "author", scripts=False)
    author.go("acme", "/media")
    author.sees("Files")
    author.page.get_by_label("File", exact=True).set_input_files(
        [as_file("field.png", draw("orange"))]
    )
    author.fill("Description", "An orange field")
    author.click("Upload")
    author.is_told("is uploaded")
    line = author.page.get_by_label("Write this line where it belongs").input_value()
    open_editor(author)
    author.fill("Title", "Of plain pages")
    author.fill("Text", f"Look:\n\n{line}")
    author.page.get_by_text("Cover, excerpt, address, place and time").click()
    author.page.get_by_label("Cover picture").select_option("field.png")
    author.click("Publish")
    author.sees("Of plain pages")
    assert author.page.get_by_role("img", name="An orange field").count() == 2

"""Uploaded files: what is kept of them, how they are served, and who may do what with them."""

from __future__ import annotations

import html
import os
import re
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tenants import create_app, pictures, provision
from tenants.database import db
from tenants.media_models import Media, MediaFile
from tenants.permissions import Role
from tests.tenants.helpers import Site, make_settings, make_site, make_tenant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from werkzeug.test import TestResponse

    from tests.tenants.helpers import Visitor

KINDS = ("sqlite",)
"""Rows of both kinds of databases are in test_media_copies.py."""

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(document.domain)</script>"
SECRET = b"Secretville"


def draw(
    size: tuple[int, int] = (700, 350), kind: str = "PNG", mode: str = "RGB", **options: Any
) -> bytes:
    """Return a picture whose upper left corner is red, and the rest blue."""
    image = Image.new("RGB", size, "blue")
    image.paste("red", (0, 0, size[0] // 2, size[1] // 2))
    buffer = BytesIO()
    image.convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def upload(
    visitor: Visitor, content: bytes, name: str = "tower.png", *, alt: str = "", **options: Any
) -> TestResponse:
    """Send a file from the library's form."""
    data = {"file": (BytesIO(content), name), "alt": alt}
    return visitor.post("/media", data, content_type="multipart/form-data", **options)


def fetch(visitor: Visitor, path: str, **headers: str) -> TestResponse:
    """Ask for a stored file, to its end."""
    return visitor.get(path, headers=headers, buffered=True)


def key_of(answer: TestResponse) -> str:
    """Return the key of what was just uploaded."""
    assert answer.status_code == 303, answer.text
    return answer.location.rpartition("/")[2]


@pytest.fixture
def author(site: Site) -> Visitor:
    """Return somebody who may upload files."""
    return site.member("ann", Role.AUTHOR)


def test_a_picture_is_shown_in_the_size_that_fits(
    site: Site, author: Visitor, visitor: Visitor
) -> None:
    """A post names it once; visitors get sizes to choose from, with room kept for it."""
    key = key_of(upload(author, draw(), alt="A tower"))
    assert f"![A tower](/media/{key})" in author.get(f"/media/{key}").text
    author.post(
        "/write", {"title": "T", "body": f"![A tower](/media/{key})\n\nWords.", "intent": "publish"}
    )
    page = visitor.get("/posts/t").text
    assert f'srcset="/media/{key}/480.webp 480w, /media/{key}/700.webp 700w"' in page
    shown = f'<img src="/media/{key}/picture.jpg" alt="A tower" width="700" height="350"'
    assert shown in page
    assert '<meta name="description" content="Words.">' in page
    for name, size in {"480.webp": (480, 240), "700.webp": (700, 350)}.items():
        answer = fetch(visitor, f"/media/{key}/{name}")
        assert answer.content_type == "image/webp"
        assert Image.open(BytesIO(answer.data)).size == size
    feed = visitor.get("/feed.json").json
    assert feed is not None
    text = feed["items"][0]["content_html"]
    assert f'src="http://acme.example.test/media/{key}/picture.jpg"' in text


def test_nothing_of_a_picture_is_kept_but_its_pixels(site: Site, author: Visitor) -> None:
    """Neither places nor comments nor what is behind its end; and it stands upright."""
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    exif[0x010E] = SECRET.decode()
    jpeg = draw((600, 300), "JPEG", exif=exif, comment=SECRET, quality=95) + SECRET
    text = PngInfo()
    text.add_text("Place", SECRET.decode())
    png = draw((300, 300), mode="RGBA", pnginfo=text, exif=exif) + SECRET
    for content, size in ((jpeg, (300, 600)), (png, (300, 300))):
        assert SECRET in content
        key = key_of(upload(author, content))
        with site.app.app_context():
            files = db.session.scalars(db.select(Media).where(Media.key == key)).one().files
        assert {"image/webp"} < {
            str(fetch(author, f"/media/{key}/{file.name}").content_type) for file in files
        }
        for file in files:
            served = fetch(author, f"/media/{key}/{file.name}").data
            assert SECRET not in served
            image = Image.open(BytesIO(served))
            assert not image.getexif()
            assert image.size == size
            red, _, blue = image.convert("RGB").getpixel((size[0] - 20, 20))  # type: ignore[misc]
            assert red > 200 > blue  # the corner that was on the left is on the right


@pytest.mark.parametrize(
    ("content", "name"),
    [
        pytest.param(SVG, "logo.svg", id="svg"),
        pytest.param(HTML, "page.html", id="html"),
        pytest.param(HTML, "480.webp", id="html as a picture"),
        pytest.param(b"%PDF-1.7 " + HTML, "paper.pdf", id="pdf"),
    ],
)
def test_what_is_no_picture_is_only_downloaded(
    author: Visitor, visitor: Visitor, content: bytes, name: str
) -> None:
    """R46: whatever its name and the browser's label, it never runs as a page of this site."""
    answer = upload(author, content, name)
    key = key_of(answer)
    file = fetch(visitor, f"/media/{key}/{name}")
    assert file.data == content
    assert file.content_type == "application/octet-stream"
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert f"[{name}](/media/{key}/{name})" in author.get(f"/media/{key}").text
    assert visitor.get(f"/media/{key}/other.html").status_code == 404


def test_files_are_served_for_good_and_contained(author: Visitor, visitor: Visitor) -> None:
    """R46: no sniffing, no scripts. Browsers keep it, ask with its ETag, and take parts."""
    path = f"/media/{key_of(upload(author, draw()))}/480.webp"
    whole = fetch(visitor, path)
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert whole.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert whole.cache_control.public
    assert whole.cache_control.immutable
    assert whole.cache_control.max_age == 365 * 24 * 3600
    assert "Set-Cookie" not in whole.headers
    etag = whole.headers["ETag"]
    assert fetch(visitor, path, **{"If-None-Match": etag}).status_code == 304
    part = fetch(visitor, path, Range="bytes=4-7")
    assert (part.status_code, part.data) == (206, whole.data[4:8])
    assert fetch(visitor, path, Range="bytes=999999999-").status_code == 416


@pytest.mark.parametrize(
    "path", ["/media/{}/..", "/media/{}/482.webp", "/media/%2e%2e/480.webp", "/media/" + "0" * 32]
)
def test_no_other_file_is_served(author: Visitor, visitor: Visitor, path: str) -> None:
    """An address leads to a stored file, or nowhere; a stranger learns nothing of the library."""
    key = key_of(upload(author, draw()))
    answer = visitor.get(path.format(key))
    assert answer.status_code in {302, 404}
    assert answer.status_code == 404 or "/members/sign-in" in answer.location


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"", "The file is empty", id="empty"),
        pytest.param(draw()[:200], "damaged", id="cut off"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + HTML, "damaged", id="html behind a signature"),
        pytest.param(b"GIF89a" + b"\xff" * 50, "damaged", id="noise"),
    ],
)
def test_what_cannot_be_used_is_refused(
    site: Site, author: Visitor, content: bytes, says: str
) -> None:
    """422 with a sentence beside the field; nothing is kept, in rows or files."""
    answer = upload(author, content)
    assert answer.status_code == 422
    assert says in answer.text
    told = upload(author, content, headers={"Accept": "application/json"})
    assert told.json is not None
    assert says in told.json["errors"]["file"][0]
    assert not (site.path.parent / "media").exists()


def test_a_bomb_is_refused_before_it_is_unpacked(author: Visitor) -> None:
    """A few bytes can claim, or hold, millions of pixels."""
    tiny = bytearray(draw((1, 1), "GIF"))
    tiny[6:10] = b"\xff" * 4
    answer = upload(author, bytes(tiny))
    assert answer.status_code == 422
    assert "too many pixels" in answer.text
    honest = BytesIO()
    Image.new("1", (6000, 6000)).save(honest, "PNG")
    assert len(honest.getvalue()) < 20_000
    answer = upload(author, honest.getvalue())
    assert answer.status_code == 422
    assert "6000 by 6000 pixels" in answer.text


def test_a_jpeg_with_a_second_picture_is_a_jpeg(
    author: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Telephones make them, and they may have as many pixels."""
    monkeypatch.setattr(pictures, "MAX_OTHER_PIXELS", 10)
    second = Image.new("RGB", (8, 8))
    jpeg = draw((600, 300), "MPO", save_all=True, append_images=[second])
    assert jpeg.startswith(b"\xff\xd8\xff")
    assert "600.webp" in author.get(f"/media/{key_of(upload(author, jpeg))}").text


def test_the_same_file_is_kept_once(site: Site, author: Visitor) -> None:
    """The second upload leads to the first; a description that was missing is taken."""
    keys = {key_of(upload(author, draw(), name)) for name in ("a.png", "b.png")}
    keys.add(key_of(upload(author, draw(), alt="A tower")))
    (key,) = keys
    assert 'value="A tower"' in author.get(f"/media/{key}").text
    assert len(list((site.path.parent / "media").glob("*/*"))) == 1


def test_a_description_counts_where_a_post_has_none(site: Site, author: Visitor) -> None:
    """It is asked for in the library; the page cache knows of the change at once."""
    key = key_of(upload(author, draw()))
    assert "no description yet" in author.get(f"/media/{key}").text
    site.add_post("T", f"![](/media/{key}) ![Own](/media/{key}/480.webp)")
    assert visitor_sees(site, "/posts/t") == ["", "Own"]
    author.post(f"/media/{key}/description", {"alt": 'A "tower"'})
    assert visitor_sees(site, "/posts/t") == ["A &#34;tower&#34;", "Own"]


def visitor_sees(site: Site, path: str) -> list[str]:
    """Return the descriptions of the pictures on a page."""
    return re.findall(r'<img [^>]*alt="([^"]*)"', site.visitor().get(path).text)


def test_a_deleted_file_is_gone_and_posts_say_what_it_showed(
    site: Site, author: Visitor, visitor: Visitor
) -> None:
    """The page that asks names how many posts lose it."""
    key = key_of(upload(author, draw()))
    site.add_post("T", f"![A tower](/media/{key})")
    assert "1 post will show" in author.post(f"/media/{key}/delete").text
    assert author.confirm(f"/media/{key}/delete").status_code == 303
    assert "<p>A tower</p>" in visitor.get("/posts/t").text
    assert visitor.get(f"/media/{key}/480.webp").status_code == 404
    assert list((site.path.parent / "media").iterdir()) == []


def test_the_library_is_searched_by_name_and_description(site: Site, author: Visitor) -> None:
    """All words have to be there; pages hold 24 files."""
    for number in range(25):
        site.add_file("ann", b"%d" % number, name=f"minutes {number}.txt", alt="")
    key_of(upload(author, draw(), "Harbour.png", alt="Boats at dawn"))
    assert "26 files" in author.get("/media").text
    assert "minutes 0.txt" in author.get("/media?page=2").text
    found = author.get("/media?q=DAWN+harb").text
    assert "1 file with" in found
    assert "Harbour.png" in found
    assert "No file was found" in author.get("/media?q=100%25").text


def test_authors_change_their_own_files_only(site: Site, author: Visitor) -> None:
    """Editors change all; a file that others use is seen by every author."""
    key = key_of(upload(author, draw()))
    other, editor = site.member("bob", Role.AUTHOR), site.member("eve", Role.EDITOR)
    assert "Save the description" not in other.get(f"/media/{key}").text
    assert other.confirm(f"/media/{key}/delete").status_code == 403
    assert editor.post(f"/media/{key}/description", {"alt": "x"}).status_code == 303
    draft = site.add_post("Secret plan", f"![](/media/{key})", by="ann", draft=True)
    assert draft not in other.get(f"/media/{key}").text
    assert "Secret plan" in editor.get(f"/media/{key}").text


def test_programs_get_the_line_to_write(author: Visitor) -> None:
    """The editor's script inserts it."""
    answer = upload(author, draw(), headers={"Accept": "application/json"})
    assert answer.status_code == 201
    assert answer.json is not None
    assert answer.json["markdown"] == f"![](/media/{answer.json['key']})"


def test_a_post_has_a_cover(site: Site, author: Visitor, visitor: Visitor) -> None:
    """Above the post, in lists, and for services that show links."""
    key = key_of(upload(author, draw(), alt="A tower"))
    file = site.add_file("ann")
    assert file not in author.get("/write?new=").text
    data = {"title": "T", "body": "Words.", "cover": key, "intent": "publish"}
    author.post("/write", data)
    page = visitor.get("/posts/t").text
    image = f"http://acme.example.test/media/{key}/picture.jpg"
    assert f'<meta property="og:image" content="{image}">' in page
    assert '<meta property="og:image:alt" content="A tower">' in page
    assert 'loading="eager"' in page
    assert f"/media/{key}/480.webp" in visitor.get("/").text
    feed = visitor.get("/feed.json").json
    assert feed is not None
    assert feed["items"][0]["image"] == image
    assert f'<option selected value="{key}">' in author.get("/posts/t/edit").text
    author.edit("t", {"title": "T", "body": "Words.", "intent": "save"})
    assert image in visitor.get("/posts/t").text
    for cover in ("", "no-such-key", file):
        author.edit("t", {**data, "cover": cover})
        assert "og:image" not in visitor.get("/posts/t").text
        assert "with-cover" not in visitor.get("/").text


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        pytest.param("../../etc/passwd", "passwd", id="upwards"),
        pytest.param("invoice\u202etxt.exe", "invoicetxt.exe", id="turned round"),
        pytest.param("دفتر.txt", "دفتر.txt", id="right to left"),
        pytest.param("..", "file", id="no name"),
        pytest.param("x" * 300 + ".txt", "x" * 116 + ".txt", id="long"),
    ],
)
def test_a_file_keeps_its_name_and_no_more(
    author: Visitor, visitor: Visitor, name: str, kept: str
) -> None:
    """Neither folders nor letters that nobody sees."""
    page = author.get(f"/media/{key_of(upload(author, name.encode(), name))}").text
    assert f">{kept}</h1>" in page
    (path,) = re.findall(r'href="(/media/[0-9a-f]{32}/[^"]+)"', page)
    answer = fetch(visitor, path)
    assert answer.data == name.encode()
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_a_picture_without_its_sizes_is_a_link(
    site: Site, author: Visitor, visitor: Visitor
) -> None:
    """A bundle that somebody made by hand can lack them; its pages are there."""
    key = key_of(upload(author, draw(), alt="A tower"))
    site.add_post("T", f"![](/media/{key})")
    with site.app.app_context():
        db.session.execute(db.delete(MediaFile).where(MediaFile.name.endswith(".webp")))
        db.session.commit()
    assert f'<a href="/media/{key}/picture.jpg">A tower</a>' in visitor.get("/posts/t").text
    assert author.get("/media").status_code == 200


def test_the_line_of_a_file_leads_to_it(site: Site, author: Visitor, visitor: Visitor) -> None:
    """Whatever marks of Markdown its name has."""
    page = author.get(f"/media/{key_of(upload(author, b'Words.', 'see :) [1].txt'))}").text
    (line,) = re.findall(r'id="markdown" value="([^"]+)"', page)
    site.add_post("T", html.unescape(line))
    (path,) = re.findall(r'href="(/media/[^"]+)"', visitor.get("/posts/t").text)
    assert fetch(visitor, path).data == b"Words."


def test_a_full_site_takes_no_file(tmp_path: Path) -> None:
    """507 with the numbers, also if this file alone would be too much; a smaller one goes in."""
    limits = {"free": {"media_mb": 0.3}}
    settings, tenant = make_settings(tmp_path, limit_plans=limits), make_tenant()
    provision(tenant, settings)
    site = Site(tenant, settings, create_app(tenant, settings))
    author = site.member("ann", Role.EDITOR)
    large = upload(author, os.urandom(400_000), "large.bin")
    assert large.status_code == 507
    assert "This file takes 0.4 MiB" in large.text
    assert upload(author, os.urandom(200_000), "small.bin").status_code == 303
    again = upload(author, os.urandom(200_000), "more.bin", headers={"Accept": "application/json"})
    assert again.status_code == 507
    site.close()


def test_a_damaged_or_missing_file_is_reported(site: Site, author: Visitor) -> None:
    """``media verify`` ends with 1 and names them; what no upload lists is deleted if asked."""
    runner = site.app.test_cli_runner()
    good = runner.invoke(args=["media", "verify"])
    assert (good.exit_code, good.output) == (0, "Every uploaded file is as it was stored.\n")
    key = key_of(upload(author, draw()))
    folder = site.path.parent / "media" / key[:2] / key
    changed = bytearray((folder / "480.webp").read_bytes())
    changed[100] ^= 1
    (folder / "480.webp").write_bytes(changed)
    (folder / "700.webp").unlink()
    left = site.path.parent / "media" / "00" / ("0" * 32)
    left.mkdir(parents=True)
    fresh = runner.invoke(args=["media", "verify"])
    assert fresh.exit_code == 1
    assert "480.webp (“tower.png”): changed since" in fresh.output
    assert "700.webp (“tower.png”): missing" in fresh.output
    assert "picture.jpg" not in fresh.output
    assert left.name not in fresh.output  # it could be an upload's that is going on
    os.utime(left, (0, 0))
    assert "no upload lists it; add" in runner.invoke(args=["media", "verify"]).output
    assert left.is_dir()
    assert "deleted" in runner.invoke(args=["media", "verify", "--remove-unlisted"]).output
    assert not left.exists()


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Site]:
    """Return a site that is served below a path."""
    site = make_site(tmp_path)
    yield site
    site.close()


def test_paths_fit_where_the_site_is_mounted(mounted: Site) -> None:
    """A post names a file by its path below the site's root."""
    mounted.add_member("ann", Role.AUTHOR)
    picture = mounted.add_file("ann", draw(), name="tower.png")
    file = mounted.add_file("ann", b"Words.", name="words.txt")
    mounted.add_post("T", f"![x](/media/{picture}) [w](/media/{file}/words.txt)")
    page = mounted.visitor(prefix="/sites/acme").get("/posts/t").text
    for path in (f"{picture}/480.webp", f"{picture}/picture.jpg", f"{file}/words.txt"):
        assert f"/sites/acme/media/{path}" in page
        assert f'"/media/{path}' not in page

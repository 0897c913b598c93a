"""The shared assets: small on the wire, kept for ever, never mistaken."""

from __future__ import annotations

import gzip

import pytest

from tenantry.middleware.assets import Assets
from tenantry.ui import ASSETS, asset_url
from tests.tenantry.support import ask, hello

FOREVER = "public, max-age=31536000, immutable"
GZIP = {"Accept-Encoding": "br, gzip"}
APP = Assets(hello("the app"))
NAMES = sorted(path.name for path in ASSETS.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_an_asset_is_compressed_and_kept_for_ever(name: str) -> None:
    """Its address names its content, so it can be kept; both encodings say the same."""
    plain, small = ask(APP, asset_url(name)), ask(APP, asset_url(name), headers=GZIP)

    assert plain.body == (ASSETS / name).read_bytes()
    assert gzip.decompress(small.body) == plain.body
    assert small.headers["content-encoding"] == "gzip"
    for answer in (plain, small):
        assert answer.headers["cache-control"] == FOREVER
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["content-length"] == str(len(answer.body))
    assert plain.headers["etag"] != small.headers["etag"]


@pytest.mark.parametrize("query", ["", "?v=", "?v=0123456789ab", "?v=0123456789ab&v=1"])
def test_another_releases_address_is_never_kept_for_ever(query: str) -> None:
    """A page of the release before or after finds its style, but no cache takes one for the other."""
    answer = ask(APP, f"/-/assets/tenantry.css{query}")

    assert (answer.status, answer.headers["cache-control"]) == (200, "public, no-cache")


@pytest.mark.parametrize("accepted", ["", "br", "identity", "gzip;q=0", "br, gzip; q=0.0", "*;q=0"])
def test_who_takes_no_gzip_gets_none(accepted: str) -> None:
    """RFC 9110, section 12.5.3: a weight of zero is a no."""
    answer = ask(APP, asset_url("tenantry.css"), headers={"Accept-Encoding": accepted})

    assert "content-encoding" not in answer.headers


def test_a_known_asset_is_not_sent_again() -> None:
    """What a browser has already is confirmed by its ETag."""
    known = ask(APP, asset_url("tenantry.css"), headers=GZIP).headers["etag"]
    answer = ask(APP, "/-/assets/tenantry.css", headers={**GZIP, "If-None-Match": known})

    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["etag"] == known


def test_head_tells_what_get_sends() -> None:
    """HEAD has the headers of GET, and nothing else."""
    head = ask(APP, asset_url("ui.js"), method="HEAD", headers=GZIP)

    assert head.body == b""
    assert head.headers == ask(APP, asset_url("ui.js"), headers=GZIP).headers


@pytest.mark.parametrize("path", ["/-/assets/", "/-/assets/none.css", "/-/assets/../x", "/-/x"])
def test_nothing_else_is_there(path: str) -> None:
    """Whatever else lies below /-/ is no app's."""
    assert ask(APP, path).status == 404
    assert ask(APP, path, method="HEAD").body == b""
    assert ask(APP, asset_url("ui.js"), method="POST").status == 404

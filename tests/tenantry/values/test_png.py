"""Pictures that operators send."""

from __future__ import annotations

import zlib

import pytest

from tenantry.errors import BadImageError
from tenantry.values.png import MAX_BYTES, MAX_SIDE, Size, clean_png, read_size
from tests.pictures import SIGNATURE, chunk, png


def test_a_plain_picture_stays_as_it_is() -> None:
    """Nothing is packed anew: the picture is its author's."""
    assert clean_png(png()) == png()
    assert read_size(clean_png(png(30, 20))) == Size(30, 20)


def test_nothing_but_the_picture_is_kept() -> None:
    """No text, place or script travels in it, whether within or behind."""
    place = chunk(b"tEXt", b"Comment\0<script>alert(1)</script>") + chunk(b"eXIf", b"52.5 N 13.4 E")
    assert clean_png(png(between=place) + b"<?php system('id'); ?>") == png()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"", "no PNG", id="empty"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no PNG", id="SVG"),
        pytest.param(b"GIF89a" + bytes(30), "no PNG", id="GIF"),
        pytest.param(b"x" * (MAX_BYTES + 1), "more than 64 KiB", id="large"),
        pytest.param(SIGNATURE, "damaged", id="nothing behind the signature"),
        pytest.param(png()[:-5], "damaged", id="cut off"),
        pytest.param(png()[:40] + b"\xff" + png()[41:], "damaged", id="another byte"),
        pytest.param(SIGNATURE + chunk(b"IEND", b""), "damaged", id="no header"),
        pytest.param(
            SIGNATURE + chunk(b"IHDR", bytes(12)) + chunk(b"IEND", b""),
            "damaged",
            id="short header",
        ),
        pytest.param(png(between=png()[8:33]), "damaged", id="two headers"),
        pytest.param(png(MAX_SIDE + 1, 1), "more than 1024", id="wide"),
        pytest.param(png(1, 2**31, pixels=b""), "more than 1024", id="high"),
        pytest.param(png(0, 1), "or none", id="no width"),
        pytest.param(png(pixels=b"\0" * 5), "damaged", id="too few pixels"),
        pytest.param(png(pixels=bytes(30_000_000)), "damaged", id="bomb"),
        pytest.param(
            SIGNATURE + png()[8:33] + chunk(b"IDAT", b"not packed") + chunk(b"IEND", b""),
            "damaged",
            id="pixels that are not packed",
        ),
    ],
)
def test_what_is_no_small_sound_png_is_refused(content: bytes, problem: str) -> None:
    """Each with the reason, and before it costs anything."""
    with pytest.raises(BadImageError, match=problem):
        clean_png(content)


@pytest.mark.parametrize(
    ("depth", "colour", "interlaced", "problem"),
    [
        pytest.param(8, 5, 0, "damaged", id="no such colour type"),
        pytest.param(3, 2, 0, "damaged", id="no such depth"),
        pytest.param(8, 3, 0, "damaged", id="palette missing"),
        pytest.param(8, 2, 1, "interlaced", id="interlaced"),
    ],
)
def test_a_header_that_means_nothing_is_refused(
    depth: int, colour: int, interlaced: int, problem: str
) -> None:
    """Whether the rest fits cannot be said then."""
    header = (4).to_bytes(4) + (2).to_bytes(4) + bytes([depth, colour, 0, 0, interlaced])
    content = SIGNATURE + chunk(b"IHDR", header) + png()[33:]
    with pytest.raises(BadImageError, match=problem):
        clean_png(content)


@pytest.mark.parametrize(("depth", "colour", "row"), [(1, 3, 2), (16, 6, 33), (8, 4, 9), (4, 0, 3)])
def test_every_kind_of_pixel_is_measured(depth: int, colour: int, row: int) -> None:
    """A row is a filter's number and the packed pixels, four of them here."""
    header = (4).to_bytes(4) + (2).to_bytes(4) + bytes([depth, colour, 0, 0, 0])
    palette = chunk(b"PLTE", bytes(6)) if colour == 3 else b""
    pixels = chunk(b"IDAT", zlib.compress(bytes(2 * row)))
    content = SIGNATURE + chunk(b"IHDR", header) + palette + pixels + chunk(b"IEND", b"")
    assert clean_png(content) == content

"""A site's accent colour, made readable in both themes."""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT_ACCENT = "#1d6b52"

# Grounds of tenantry.css on which the accent lies: the one with the least contrast of each theme.
LIGHT_GROUND = "#f2f0ea"
DARK_GROUND = "#222926"
TEXT_CONTRAST = 5.0
"""More than the 4.5 of WCAG AA, because text also lies on tints of the accent."""
FILL_CONTRAST = 3.0

_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_Rgb = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Tones:
    """The accent in one theme."""

    fill: str
    on_fill: str
    text: str


def read_accent(value: object) -> str:
    """Return the colour as ``#rrggbb``, or the default for anything that is none (R44)."""
    if isinstance(value, str) and _HEX.fullmatch(value):
        return value.lower()
    return DEFAULT_ACCENT


def accent_tones(accent: str, *, dark: bool) -> Tones:
    """Return variants of *accent* that can be read in the theme."""
    ground = DARK_GROUND if dark else LIGHT_GROUND
    fill = _push(accent, ground, contrast_wanted=FILL_CONTRAST)
    on_fill = max("#ffffff", "#000000", key=lambda ink: contrast(ink, fill))
    return Tones(fill, on_fill, _push(accent, ground, contrast_wanted=TEXT_CONTRAST))


def find_changes(accent: str) -> list[tuple[str, str]]:
    """Return where the colour cannot be shown as it is: a theme's name, and the colour there."""
    themes = {"light": accent_tones(accent, dark=False), "dark": accent_tones(accent, dark=True)}
    return [(name, shown.fill) for name, shown in themes.items() if shown.fill != accent]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21 (WCAG 2.2)."""
    low, high = sorted((_luminance(_parse(one)), _luminance(_parse(other))))
    return (high + 0.05) / (low + 0.05)


def _push(colour: str, ground: str, *, contrast_wanted: float) -> str:
    """Mix the colour with the ground's opposite until it stands out enough."""
    towards: _Rgb = (0, 0, 0) if _luminance(_parse(ground)) > 0.2 else (255, 255, 255)  # noqa: PLR2004
    start = _parse(colour)
    for step in range(51):
        mixed = _format(_mix(start, towards, step / 50))
        if contrast(mixed, ground) >= contrast_wanted:
            return mixed
    return _format(towards)


def _mix(one: _Rgb, other: _Rgb, share: float) -> _Rgb:
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue


def _parse(colour: str) -> _Rgb:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _format(rgb: _Rgb) -> str:
    return "#" + "".join(f"{round(part):02x}" for part in rgb)


def _luminance(rgb: _Rgb) -> float:
    red, green, blue = (_linear(part / 255) for part in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - sRGB

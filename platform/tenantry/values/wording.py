"""Numbers with their nouns, and texts that a page can show."""

_CONTROLS = dict.fromkeys({*range(0x20), *range(0x7F, 0xA0)} - {ord(char) for char in "\t\n\r"})


def counted(number: int, noun: str) -> str:
    """Return "1 tenant" or "2 tenants"; the noun's plural ends in *s*."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def without_controls(text: str) -> str:
    """Return the text without control characters, which HTML cannot hold; line ends and tabs stay."""
    return text.translate(_CONTROLS)

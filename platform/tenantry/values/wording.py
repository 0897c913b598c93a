"""Numbers with their nouns."""


def counted(number: int, noun: str) -> str:
    """Return "1 tenant" or "2 tenants"; the noun's plural ends in *s*."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

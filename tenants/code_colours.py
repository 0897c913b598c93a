"""Colours of code in posts: what Pygments finds, in the few classes that our style sheet has."""

from __future__ import annotations

from functools import lru_cache
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pygments.lexer import Lexer

LONGEST = 2_000
"""Characters of code in one block; a longer one has no colours. Some lexers take a time that grows with
the square of the length: a third of a second for this, and two seconds for 5,000."""

MOST = 12_000
"""Characters of code in one text that have colours; what comes after them is plain."""

CLASSES = {
    "code-c": ("Comment",),
    "code-k": ("Keyword", "Operator.Word", "Name.Tag"),
    "code-s": ("Literal.String",),
    "code-m": ("Literal.Number",),
    "code-f": ("Name.Function", "Name.Class", "Name.Attribute", "Name.Decorator"),
    "code-d": ("Generic.Deleted",),
    "code-i": ("Generic.Inserted",),
}
"""Classes of the style sheet, and the kinds of tokens that have them."""

LANGUAGES = frozenset(
    (
        "bash",
        "c",
        "cpp",
        "css",
        "diff",
        "docker",
        "go",
        "graphql",
        "html",
        "ini",
        "java",
        "javascript",
        "json",
        "kotlin",
        "lua",
        "nginx",
        "php",
        "powershell",
        "python",
        "ruby",
        "rust",
        "scss",
        "sql",
        "swift",
        "toml",
        "typescript",
        "xml",
        "yaml",
    )
)
"""Only these, by any of their names in Pygments: the rest is code that nobody here has tried.

HTTP is not here: a message's ``Content-Type`` chooses any other lexer for its body. Make and C# are
not, either: 5,000 characters took their lexers seconds.
"""


def highlight(code: str, language: str, _attributes: str) -> str:
    """Return the code as HTML with colours; an empty string leaves it as it is.

    :param language: The first word behind the fence.
    """
    lexer = _find_lexer(language.casefold()) if 0 < len(code) <= LONGEST else None
    if lexer is None:
        return ""
    marked = ((_class_of(str(kind)), text) for kind, text in lexer.get_tokens(code))
    parts = []
    for name, group in groupby(marked, key=lambda pair: pair[0]):
        text = escape("".join(text for _, text in group), quote=False)
        parts.append(f'<span class="{name}">{text}</span>' if name else text)
    return "".join(parts)


@lru_cache(maxsize=64)
def _find_lexer(language: str) -> Lexer | None:
    # Here, because most sites never show code, and Pygments takes megabytes of a worker.
    from pygments.lexers import get_lexer_by_name  # noqa: PLC0415
    from pygments.util import ClassNotFound  # noqa: PLC0415

    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None
    return lexer if LANGUAGES.intersection(lexer.aliases) else None


@lru_cache(maxsize=512)
def _class_of(kind: str) -> str:
    """Return the class of a kind of token, such as ``Token.Literal.String.Double``."""
    name = kind.removeprefix("Token.") + "."
    fits = (it for it, kinds in CLASSES.items() if any(name.startswith(f"{k}.") for k in kinds))
    return next(fits, "")

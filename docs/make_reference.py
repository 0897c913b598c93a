"""Builds docs/reference.md, the reference of the public names, from their docstrings.

    make reference

It reads the source and imports only the list of names and the errors. tests/docs/test_reference.py
fails while the page is not what this makes.
"""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tenantry import _HOMES, __all__, errors
from tenantry.files.disk import is_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference.md"
PACKAGES = ROOT / "platform"
WIDTH = 100

GROUPS = {
    "The app": (
        "Tenant TenantState init_tenant Flyweight current_tenant for_tenant current_settings site_url "
        "request_id Settings PlanLimits"
    ),
    "The tenant's data": (
        "TenantSQLAlchemy provision_database tenant_database TenantDatabase site_database SiteDatabase "
        "confine is_disk_full Quota find_exceeded"
    ),
    "Requests and answers": (
        "init_security init_problems prefers_json problem note_faults accept_body ask_first "
        "page_cache let_caches_keep is_local_path"
    ),
    "People": (
        "claim_sign_in SignInAttempt claim_sign_up canonical_email check_password hash_password "
        "verify_password renew_hash describe_device network_of"
    ),
    "Jobs and mail": "job enqueue send_mail JobRun JobRefused JobDefinition Job",
    "The look": "init_ui asset_url read_accent accent_tones Tones Page",
    "The owner's part of the backend": "init_management management",
    "Errors": "errors",
}
"""Every public name, in the order of the page."""

SETTINGS = frozenset(
    {"plans", "limits_of", "https", "is_local", "apex_url", "backend_url", "url_of", "host_of"}
    | {"site_url", "tenant_dir"}
)
"""What else of the settings is public; the rest is the platform's own."""

INTRODUCTION = """\
# Reference

This page lists the names that you import from `tenantry` to write a factory, with their types,
effects and errors. [factories.md](factories.md) shows how to use them together. `make reference`
builds this page from the docstrings.

```python
from tenantry import Flyweight, Tenant, current_tenant
from tenantry.errors import NoTenantError
from tenantry.management import Section
```

Four modules are public: `tenantry`, `tenantry.errors`, `tenantry.management` and
`tenantry.testing`, which [testing.md](testing.md) describes. All other modules of the package are
private and change without notice. `import tenantry` loads nothing: Python loads each name at its
first use.
"""

Documented: TypeAlias = ast.ClassDef | ast.FunctionDef | ast.Assign | ast.AnnAssign


def build_page() -> str:
    """Return the text of the page.

    :raises ValueError: A public name is in no group or in two, or has no docstring.
    """
    grouped = [name for names in GROUPS.values() for name in names.split()]
    if sorted(grouped) != sorted(__all__):
        wrong = sorted({*grouped} ^ {*__all__})
        raise ValueError(f"GROUPS must have each public name once; look at {wrong}")
    parts = [INTRODUCTION]
    for title, names in GROUPS.items():
        parts.append(f"## {title}\n")
        for name in names.split():
            parts += _show(name)
    return "\n".join(parts)


def _show(name: str) -> Iterator[str]:
    module = _parse(_HOMES[name])
    if name == "errors":
        yield from _show_errors(module)
    elif name == "management":
        for node in module.body:
            if isinstance(node, ast.ClassDef):
                yield from _show_class(node)
    else:
        node, doc = _find(module, name)
        if isinstance(node, ast.ClassDef):
            yield from _show_class(node)
        elif isinstance(node, ast.FunctionDef):
            yield f"### `{name}`\n"
            yield _fence(_signature(node))
            yield _markdown(doc)
        else:
            kind = f": {ast.unparse(node.annotation)}" if isinstance(node, ast.AnnAssign) else ""
            yield f"### `{name}{kind}`\n"
            yield _markdown(doc)


def _show_class(node: ast.ClassDef) -> Iterator[str]:
    doc = ast.get_docstring(node)
    if doc is None:
        raise ValueError(f"{node.name} has no docstring")
    yield f"### `class {node.name}`\n"
    made = [part for part in node.body if isinstance(part, ast.FunctionDef)]
    for init in made:
        if init.name == "__init__":
            yield _fence(_signature(init, called=node.name))
    yield _markdown(doc)
    lines = [*_show_fields(node)]
    for method in made:
        text = ast.get_docstring(method)
        hidden = node.name == "Settings" and method.name not in SETTINGS
        if text is None or hidden or method.name.startswith("_"):
            continue
        is_property = any(ast.unparse(mark) == "property" for mark in method.decorator_list)
        returns = f": {ast.unparse(method.returns)}" if method.returns else ""
        shown = f"{method.name}{returns}" if is_property else _signature(method)
        lines.append(_item(shown, text))
    if lines:
        yield "\n".join(lines) + "\n"


def _show_fields(node: ast.ClassDef) -> Iterator[str]:
    """Yield the fields; those of the settings have a page of their own."""
    if node.name == "Settings":
        yield _item("<field>", "Each setting of settings.md in lower case, without `TENANTRY_`.")
        return
    following = [*node.body[1:], None]
    for part, after in zip(node.body, following, strict=True):
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            shown = f"{part.target.id}: {ast.unparse(part.annotation)}"
        elif isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Name):
            shown = f"{part.targets[0].id} = {ast.unparse(part.value)}"
        else:
            continue
        if not shown.startswith(("_", "model_config")):
            yield _item(shown, _string(after) or "")


def _show_errors(module: ast.Module) -> Iterator[str]:
    yield (
        "All are in `tenantry.errors`. `str()` of one is a sentence with the remedy. After each\n"
        "description stand its HTTP status, which is its attribute `status`, and its facts, which are\n"
        "attributes and the constructor's arguments.\n"
    )
    lines = []
    for node in module.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            bases = ", ".join(ast.unparse(base) for base in node.bases)
            kind: type[errors.TenantryError] = getattr(errors, node.name)
            facts = "".join(f", `{name}`" for name in kind.facts)
            said = (ast.get_docstring(node) or "").partition("\n\n")[0]
            lines.append(_item(f"{node.name}({bases})", f"{said} {kind.status}{facts}."))
    yield "\n".join(lines) + "\n"


def _parse(module: str) -> ast.Module:
    path = PACKAGES.joinpath(*module.split("."))
    source = path / "__init__.py" if is_dir(path) else path.with_suffix(".py")
    return ast.parse(source.read_text(encoding="utf-8"))


def _find(module: ast.Module, name: str) -> tuple[Documented, str]:
    """Return the definition of a name and its docstring."""
    for node, after in zip(module.body, [*module.body[1:], None], strict=True):
        doc: str | None = None
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            doc = ast.get_docstring(node)
        elif isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name:
            doc = _string(after)
        else:
            continue
        if doc is not None:
            return node, doc
    raise ValueError(f"{name} has no docstring")


def _string(node: ast.stmt | None) -> str | None:
    value = node.value if isinstance(node, ast.Expr) else None
    text = value.value if isinstance(value, ast.Constant) else None
    return textwrap.dedent(text) if isinstance(text, str) else None


def _signature(node: ast.FunctionDef, *, called: str = "") -> str:
    arguments = node.args
    if arguments.args and arguments.args[0].arg in {"self", "cls"}:
        del arguments.args[0]
    returns = f" -> {ast.unparse(node.returns)}" if node.returns and not called else ""
    shown = f"{called or node.name}({ast.unparse(arguments)}){returns}"
    return re.sub(r"lambda [^:]*: None", "...", shown)


def _fence(signature: str) -> str:
    if len(signature) > WIDTH:
        inside, _, returns = signature.partition("(")[2].rpartition(")")
        body = "\n".join(f"    {part}," for part in _split(inside))
        signature = f"{signature.partition('(')[0]}(\n{body}\n){returns}"
    return f"```text\n{signature}\n```\n"


def _split(arguments: str) -> list[str]:
    """Split at the commas that are inside no brackets."""
    parts, depth = [""], 0
    for letter in arguments:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _item(shown: str, doc: str) -> str:
    """Return an entry of a list: what it is, and the first paragraph of what it does."""
    text = _inline(doc.split("\n\n", maxsplit=1)[0])
    facts = [_inline(fact) for fact in re.findall(r"^:.*?(?=^:|\Z)", doc, re.MULTILINE | re.DOTALL)]
    raised = "; ".join(_raises(fact) for fact in facts if fact.startswith(":raises "))
    text = " ".join(filter(None, (text.partition(" :param")[0].partition(" :raises")[0], raised)))
    return _wrap(f"- `{shown}`{': ' if text else ''}{text}", after="  ")


def _markdown(doc: str) -> str:
    """Return a docstring as Markdown."""
    paragraphs = []
    for block in doc.replace(".. code-block:: python\n\n", ".. code-block:: python\n").split(
        "\n\n"
    ):
        if block.startswith(".. code-block::"):
            code = textwrap.dedent(block.partition("\n")[2]).strip()
            paragraphs.append(f"```python\n{code}\n```")
        elif block.startswith("    ") and paragraphs and paragraphs[-1].endswith("\n```"):
            code = textwrap.dedent(block).rstrip()
            paragraphs[-1] = f"{paragraphs[-1][:-4]}\n\n{code}\n```"
        elif block.startswith(":"):
            facts = re.findall(r"^:.*?(?=^:|\Z)", block, re.MULTILINE | re.DOTALL)
            paragraphs.append("\n".join(_fact(_inline(fact)) for fact in facts))
        else:
            paragraphs.append(_wrap(_inline(block)))
    return "\n\n".join(paragraphs) + "\n"


def _fact(fact: str) -> str:
    kind, _, text = fact[1:].partition(": ")
    if kind.startswith("param "):
        return _wrap(f"- `{kind.removeprefix('param ')}`: {text}", after="  ")
    return _wrap(f"- {_raises(fact)}", after="  ")


def _raises(fact: str) -> str:
    kind, _, text = fact[1:].partition(": ")
    return f"Raises `{kind.removeprefix('raises ')}`: {text}"


def _inline(text: str) -> str:
    """Return text on one line, with its roles and literals in Markdown."""
    text = " ".join(text.split())
    text = re.sub(r":func:`~?(?:[\w.]*\.)?(\w+)`", r"`\1()`", text)
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    text = re.sub(r" \(R\d+(?:, R\d+)*\)", "", text)  # requirements are of docs/security.md
    return text.replace("``", "`")


def _wrap(text: str, *, after: str = "") -> str:
    return textwrap.fill(
        text, WIDTH, subsequent_indent=after, break_long_words=False, break_on_hyphens=False
    )


if __name__ == "__main__":
    PAGE.write_text(build_page(), encoding="utf-8")

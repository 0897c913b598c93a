"""What is said to the platform, what comes before it, and what may be seen of it in the middle."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.tenantry.kills.world import World

    Preparation = tuple[str, ...] | Callable[[World], object]

BUNDLE, OUT, ORDERS = "{}/acme.tenant", "{}/out.tenant", "{}/orders.csv"


@dataclass(frozen=True)
class Operation:
    """A command. ``{}`` in a word is the platform's folder."""

    words: tuple[str, ...]
    prepare: tuple[Preparation, ...] = ()
    """What comes before it: commands, and other things."""
    between: frozenset[str] = frozenset()
    """States of a tenant that are neither before nor after it, and in which it is not served."""
    base: str = "sites"
    """What it begins with: a platform with ``sites``, or ``nothing``."""
    refused: tuple[tuple[str, ...], ...] = ()
    """Commands that say that it was interrupted and has to come first, while acme is in between."""
    release: str = "one"
    """Which schema revisions the factory has then."""


def _forget_templates(world: World) -> None:
    shutil.rmtree(world.data / "templates")


def _write_orders(world: World) -> None:
    lines = ["slug,name,owner_email", "one,One,eva@x.test", "two,Two,eva@x.test"]
    Path(ORDERS.format(world.folder)).write_text("\n".join(lines))


def _spoil(world: World) -> None:
    world.write("acme", people=[(9,)], files={"new": b"since then"})


def _lose(world: World) -> None:
    world.lose("acme")


def _killed(*words: str) -> Callable[[World], object]:
    """Return what says a command and kills it when nothing is lacking but its last commit."""

    def prepare(world: World) -> None:
        record = world.home / "steps"
        spoken = [word.format(world.folder) for word in words]
        world.keep("last")
        assert world.say(*spoken, record=record).status == 0
        steps = record.read_text().splitlines()
        last = max(number for number, step in enumerate(steps, 1) if "commit" in step.lower())
        world.bring_back("last")
        assert world.say(*spoken, last=last).status < 0

    return prepare


def _make_older(world: World) -> None:
    world.begin_catalog("0001")


INIT = ("init", "--no-link")
MAKING = frozenset({"provisioning"})
CLOSED = frozenset({"maintenance"})
CREATE = ("tenant", "create", "fresh", "--owner", "eva@x.test")
MANY = ("tenant", "create", "--from-file", ORDERS, "--all-or-nothing")
CLONE = ("tenant", "clone", "acme", "copy")
DELETE = ("tenant", "delete", "acme", "--yes")

RESUME = ("tenant", "resume", "acme")
RESTORE = ("restore", "acme", "--from", BUNDLE)
MIGRATE = ("migrate", "--jobs", "1")
IMPORT = ("tenant", "import", BUNDLE, "--slug", "copy")

OPERATIONS = {
    "init": Operation(INIT, base="nothing"),
    "init of an older catalog": Operation(INIT, (INIT, _make_older), base="nothing"),
    "demonstration": Operation((*INIT, "--demo"), (INIT,), MAKING, base="nothing"),
    "create": Operation(CREATE, between=MAKING),
    "create the first": Operation(CREATE, (_forget_templates,), MAKING),
    "create many": Operation(MANY, (_write_orders,), MAKING),
    "create again": Operation(CREATE, (_killed(*CREATE),), MAKING),
    "create many again": Operation(MANY, (_write_orders, _killed(*MANY)), MAKING),
    "clone again": Operation(CLONE, (_killed(*CLONE),), MAKING),
    "import again": Operation(IMPORT, (_killed(*IMPORT),), MAKING),
    "rename": Operation(("tenant", "rename", "acme", "bolt")),
    "suspend": Operation(("tenant", "suspend", "acme", "--reason", "unpaid")),
    "resume": Operation(RESUME, (("tenant", "suspend", "acme"),)),
    "archive": Operation(("tenant", "archive", "acme")),
    "delete": Operation(DELETE, between=frozenset({"archived"})),
    "undelete": Operation(("tenant", "undelete", "acme"), (DELETE,)),
    "purge": Operation(
        ("tenant", "purge", "acme", "--early", "--yes"), (DELETE,), frozenset({"deleted"})
    ),
    "clone": Operation(CLONE, between=MAKING),
    "release": Operation(("tenant", "release", "copy"), (CLONE,)),
    "export": Operation(("tenant", "export", "acme", "-o", OUT)),
    "import": Operation(IMPORT, between=MAKING),
    "backup": Operation(("backup", "acme", "globex", "--keep", "1"), (("backup", "acme"), _spoil)),
    "restore": Operation(RESTORE, (_spoil,), CLOSED, refused=(("backup", "acme"), RESUME)),
    "restore what is lost": Operation(RESTORE[:2], (("backup", "acme"), _lose), CLOSED),
    "restore again": Operation(RESTORE, (_spoil, RESTORE, _spoil), CLOSED),
    "migrate": Operation(MIGRATE, release="two"),
    "migrate behind a maintenance page": Operation(MIGRATE, between=CLOSED, release="closed"),
}

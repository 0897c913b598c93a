"""Finds what holds a leaked app: a module, a signal, a thread, an ``atexit`` function."""

from __future__ import annotations

import contextvars
import gc
import sys
import threading
import time
import types
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blinker import Signal
from blinker.base import ANY_ID

from tenantry.doctor.findings import Finding, unsafe, warning
from tenantry.doctor.graph import Root, Walk, walk
from tenantry.doctor.naming import Name
from tenantry.doctor.neutral import DOCTOR
from tenantry.doctor.parts import children

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tenantry.doctor.watchers import Exit

SIGNALS = "signals"
THREADS = "threads"
INSTANCES = "instances"

GRACE_SECONDS = 1.0
"""For threads that end by themselves after ``dispose``."""

NEAR = 20_000
"""Objects around a receiver or thread that are looked at."""

MOST_HOLDERS = 5


@dataclass(frozen=True, slots=True)
class Hold:
    """Something that holds an app."""

    name: str
    value: Any
    """The object; a search for further holders skips it."""

    place: str = ""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A finding about something that may keep an app alive. It must not do so itself."""

    finding: Finding
    holder: int
    """The id of what holds the app."""


def signal_holders(apps: Mapping[int, str], *, live: bool) -> Iterator[Suspicion]:
    """Yield the signals whose receivers hold an app.

    :param apps: The tenants' apps by id, with what to call them.
    :param live: Whether the apps are in use: then a receiver may hold one, if the signal calls it
        for that app alone.
    """
    for signal in [found for found in gc.get_objects() if issubclass(type(found), Signal)]:
        name = getattr(signal, "name", "without a name")
        for number, held in list(signal.receivers.items()):
            weak = issubclass(type(held), weakref.ref)
            receiver = held() if weak else held
            what = _reaches(Root("receiver", receiver), apps) if receiver is not None else None
            everyone = number in signal._by_sender.get(ANY_ID, ())  # noqa: SLF001 - blinker tells nobody
            if what is None or not (everyone if live else not weak):
                continue
            finding = _signal_finding(name, receiver, apps[what[0]], weak=weak, everyone=everyone)
            yield Suspicion(finding, id(receiver))


def _signal_finding(name: str, receiver: Any, whose: str, *, weak: bool, everyone: bool) -> Finding:
    remedy = "Connect a function of the module once, and use current_app in it."
    if everyone:
        sentence = (
            f"Signal {name!r} calls it for every tenant's requests, and it belongs to {whose}."
        )
        if not weak:
            sentence += " The signal holds it for ever."
        remedy += " Or name the app: connect(..., sender=app)."
    else:
        sentence = f"Signal {name!r} holds it for ever, and with it {whose}."
        remedy += " Or disconnect it, without naming a sender, in dispose(app)."
    return unsafe(SIGNALS, f"{_called(receiver)} (receiver)", sentence, remedy)


def thread_holders(
    before: Iterable[threading.Thread], apps: Mapping[int, str]
) -> Iterator[Suspicion]:
    """Yield the threads that building and visiting started and that disposing did not end."""
    known = set(before)
    deadline = time.monotonic() + GRACE_SECONDS
    for thread in threading.enumerate():
        if thread not in known:
            thread.join(max(0.0, deadline - time.monotonic()))
    alive = [thread for thread in threading.enumerate() if thread not in known]
    kinds = [_called(_target(thread)) for thread in alive]
    for thread, kind in zip(alive, kinds, strict=True):
        subject = f"{kind} (thread)"
        what = next((met for root in thread_roots(thread) if (met := _reaches(root, apps))), None)
        if what is not None:
            finding = unsafe(
                THREADS,
                subject,
                f"It still runs after the instance was disposed of, and holds {apps[what[0]]}, "
                f"at {what[1].path}.",
                "End it in dispose(app), or give it the tenant's id instead of the app.",
            )
        elif kinds.count(kind) > 1:
            finding = unsafe(
                THREADS,
                subject,
                "Every instance starts one, and disposing of the instance does not end it.",
                "End it in dispose(app), or start one for all when the module is loaded.",
            )
        else:
            finding = warning(
                THREADS,
                subject,
                "An instance or a request started it, and it continues.",
                "Start one for the process, not one for each tenant.",
            )
        yield Suspicion(finding, id(thread))


def holders(app: Any, exits: Sequence[Exit], *, around: Iterable[int] = ()) -> list[Hold]:
    """Return what holds *app*, by name.

    :param around: Ids of holders that are known already.
    """
    avoid = set(around)
    found: list[Hold] = []
    while len(found) < MOST_HOLDERS:
        threads = [thread for thread in threading.enumerate() if id(thread) not in avoid]
        name = _find(app, [*module_roots(), *exit_roots(exits), *others(threads)], avoid)
        if name is None:
            break
        found.append(Hold(name.subject, name.holder_object, name.path))
        if id(name.holder_object) in avoid or type(name.holder_object) is types.ModuleType:
            break
        avoid.add(id(name.holder_object))
    return found


def nearest(app: Any) -> str:
    """Return what Python sees directly in front of *app*, where no name leads to it."""
    own = {DOCTOR, "__main__"}
    seen = [
        type(value).__name__
        for value in gc.get_referrers(app)
        if not (type(value) is types.FrameType and value.f_globals.get("__name__") in own)
    ]
    return ", ".join(sorted(set(seen))[:4]) or "nothing"


def module_roots() -> list[Root]:
    """Return every loaded module but the doctor's own, with this thread's context variables."""
    roots = [
        Root(name, module)
        for name, module in sorted(sys.modules.items(), key=lambda pair: -pair[0].count("."))
        if type(module) is types.ModuleType
        and not f"{name}.".startswith((f"{DOCTOR}.", "__main__."))
    ]
    values = {variable.name: value for variable, value in contextvars.copy_context().items()}
    return [*roots, Root("context variables", values)]


def exit_roots(exits: Sequence[Exit]) -> list[Root]:
    """Return what is left for the end of the process."""
    return [
        Root(f"atexit.register({_called(left.function)})", [left.function, left.arguments])
        for left in exits
    ]


def others(threads: Iterable[threading.Thread]) -> list[Root]:
    """Return what *threads* hold, but for this one."""
    here = threading.current_thread()
    return [root for thread in threads if thread is not here for root in thread_roots(thread)]


def thread_roots(thread: threading.Thread) -> list[Root]:
    """Return a thread itself and the variables of its functions."""
    roots = [Root(f"thread {thread.name!r}", thread)]
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 - the only way to see them
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        label = f"variables of {module}.{frame.f_code.co_qualname}"
        roots.append(Root(label, dict(frame.f_locals)))
        frame = frame.f_back
    return roots


def _find(app: Any, roots: Sequence[Root], avoid: set[int]) -> Name | None:
    met: list[int] = []

    def meet(number: int, value: Any) -> bool:
        if value is app:
            met.append(number)
        return bool(met)

    done = walk(
        [root for root in roots if id(root.value) not in avoid],
        expand=lambda value, _own: (part for part in children(value) if id(part) not in avoid),
        meets=meet,
        borders=frozenset({id(app)}),
    )
    return done.name(met[0], app) if met else None


def _reaches(root: Root, apps: Mapping[int, str]) -> tuple[int, Name] | None:
    """Return which app is near *root*, and how it is reached. Classes are everybody's."""
    met: list[tuple[int, Any]] = []
    seen = 0

    def expand(value: Any, _own: bool) -> Iterable[Any]:  # noqa: FBT001 - a callback's shape
        nonlocal seen
        seen += 1
        return () if seen > NEAR or issubclass(type(value), type) else children(value)

    def meet(number: int, value: Any) -> bool:
        if id(value) in apps:
            met.append((number, value))
        return bool(met)

    if id(root.value) in apps:
        return id(root.value), Name(root.label, root.label, root.value)
    done: Walk = walk([root], expand=expand, meets=meet, borders=frozenset(apps))
    return (id(met[0][1]), done.name(*met[0])) if met else None


def _target(thread: threading.Thread) -> Any:
    return getattr(thread, "_target", None) or type(thread)


def _called(value: Any) -> str:
    """Return the name under which code knows a function."""
    function = getattr(value, "__func__", value)
    function = getattr(function, "func", function)
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', type(function).__module__)}.{name}"

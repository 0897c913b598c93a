"""Tiny stand-ins that the tests of the core share."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from werkzeug.test import EnvironBuilder

from tenantry.limits.backlog import Listeners
from tenantry.values.tenant import Tenant, TenantState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from sqlalchemy import Engine

    from tenantry.databases.placements import TenantDatabase
    from tenantry.pool import InstancePool


class FakeClock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def a_tenant(slug: str = "acme", *, revision: int = 1, **values: Any) -> Tenant:
    """Return a tenant that no catalog knows; the id follows from the slug."""
    tenant_id = slug.encode().hex().ljust(32, "0")[:32]
    values.setdefault("state", TenantState.ACTIVE)
    return Tenant(tenant_id, slug, slug.title(), revision=revision, **values)


@dataclass(eq=False)
class Instance:
    """What the workshop builds."""

    tenant: Tenant
    disposed: int = 0


@dataclass
class Workshop:
    """A factory with a door that can be shut and machines that can break."""

    built: list[tuple[str, int]] = field(default_factory=list)
    disposed: list[Instance] = field(default_factory=list)
    broken: dict[str, BaseException] = field(default_factory=dict)
    closed: dict[str, threading.Event] = field(default_factory=dict)
    """Slugs whose build waits for an event."""

    def build(self, tenant: Tenant) -> Instance:
        self.built.append((tenant.slug, tenant.revision))
        if (door := self.closed.get(tenant.slug)) is not None:
            assert door.wait(30)
        if (error := self.broken.get(tenant.slug)) is not None:
            raise error
        return Instance(tenant)

    def dispose(self, instance: Instance) -> None:
        instance.disposed += 1
        self.disposed.append(instance)

    def shut(self, slug: str) -> threading.Event:
        self.closed[slug] = threading.Event()
        return self.closed[slug]


@dataclass(frozen=True)
class Answer:
    """A response as the server saw it."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return self.body.decode()


def ask(
    app: WSGIApplication, path: str = "/", host: str = "example.test", **options: Any
) -> Answer:
    """Send one request and return what came back.

    :param options: For werkzeug's ``EnvironBuilder``; ``environ`` is laid over the result, where
        ``None`` takes a key away.
    """
    return send(app, make_environ(path, host, **options))


def make_environ(path: str = "/", host: str = "example.test", **options: Any) -> WSGIEnvironment:
    """Return what a server would call an app with."""
    overrides = options.pop("environ", {})
    builder = EnvironBuilder(base_url="http://placeholder", **options)
    environ = builder.get_environ()
    builder.close()
    # The server decodes the path; werkzeug would read //x as a host.
    path, _, query = path.partition("?")
    environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1")
    environ["QUERY_STRING"] = query
    environ["HTTP_HOST"] = host
    environ.update(overrides)
    return {name: value for name, value in environ.items() if value is not None}


def send(app: WSGIApplication, environ: WSGIEnvironment) -> Answer:
    """Do what a server does (PEP 3333): call, iterate, close whatever happens."""
    head: list[tuple[str, list[tuple[str, str]]]] = []
    chunks: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], error: Any = None, /) -> Any:
        if error and chunks:
            raise error[1]
        assert error or not head, "start_response was called twice"
        head.append((status, headers))
        return chunks.append

    body = app(environ, start_response)
    try:
        for chunk in body:
            assert head, "the body began before start_response"
            chunks.append(chunk)
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()
    status, headers = head[-1]
    return Answer(
        int(status.split()[0]),
        {name.lower(): value for name, value in headers},
        b"".join(chunks),
        tuple(value for name, value in headers if name.lower() == "set-cookie"),
    )


def hello(name: str, seen: list[WSGIEnvironment] | None = None) -> WSGIApplication:
    """Return an app that says its name and where it was called."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if seen is not None:
            seen.append(environ)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{name}|{environ['SCRIPT_NAME']}|{environ['PATH_INFO']}".encode()]

    return app


class Entrance(Listeners):
    """A server's door: the test says whether a connection is queued there, and counts the looks."""

    def __init__(self, *, threads: int = 0) -> None:
        self._queued = os.eventfd(0, os.EFD_NONBLOCK)
        super().__init__(lambda: [self._queued], threads=threads)
        self._crowd = False
        self.looks = 0

    @property
    def crowd(self) -> bool:
        """Whether a connection is queued, and stays."""
        return self._crowd

    @crowd.setter
    def crowd(self, crowd: bool) -> None:
        self._crowd = crowd
        with suppress(BlockingIOError):
            os.eventfd_read(self._queued)
        if crowd:
            os.eventfd_write(self._queued, 1)

    def has_backlog(self) -> bool:
        self.looks += 1
        return super().has_backlog()

    def __del__(self) -> None:
        self.close()
        os.close(self._queued)


def crowded() -> Entrance:
    """Return a door at which a connection is always queued."""
    entrance = Entrance()
    entrance.crowd = True
    return entrance


def at_once(count: int, task: Callable[[int], Any]) -> list[Any]:
    """Run *task* in so many threads that all start together; return results or exceptions."""
    barrier = threading.Barrier(count)
    results: list[Any] = [None] * count

    def run(number: int) -> None:
        barrier.wait(30)
        try:
            results[number] = task(number)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def in_background(task: Callable[[], Any]) -> threading.Thread:
    """Run *task* in a thread of its own."""
    thread = threading.Thread(target=task, daemon=True)
    thread.start()
    return thread


def serve(pool: InstancePool[Instance], tenant: Tenant) -> Instance:
    """Be one short request: take the instance, give it back."""
    with pool.acquire(tenant) as lease:
        return lease.instance


@contextmanager
def opened(database: TenantDatabase) -> Iterator[Engine]:
    """Return an engine for the block. Nobody else would dispose of it, and Python warns of that."""
    engine = database.open_engine()
    try:
        yield engine
    finally:
        engine.dispose()

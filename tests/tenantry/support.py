"""Tiny stand-ins that the tests of the core share."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from werkzeug.test import EnvironBuilder, run_wsgi_app

from tenantry.tenant import Tenant, TenantState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


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
    """Send one request as a server would, close the body, and return what came back.

    :param options: For werkzeug's ``EnvironBuilder``; ``environ`` is laid over the result.
    """
    overrides = options.pop("environ", {})
    builder = EnvironBuilder(path=path, base_url="http://placeholder", **options)
    environ = builder.get_environ()
    builder.close()
    environ["HTTP_HOST"] = host
    environ.update(overrides)
    for name in [name for name, value in environ.items() if value is None]:
        del environ[name]
    return send(app, environ)


def send(app: WSGIApplication, environ: WSGIEnvironment) -> Answer:
    """Send exactly this request."""
    chunks, status, headers = run_wsgi_app(app, environ, buffered=True)
    return Answer(
        int(status.split()[0]),
        {name.lower(): value for name, value in headers},
        b"".join(chunks),
        tuple(headers.getlist("Set-Cookie")),
    )


def hello(name: str, seen: list[WSGIEnvironment] | None = None) -> WSGIApplication:
    """Return an app that says its name and where it was called."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if seen is not None:
            seen.append(environ)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{name}|{environ['SCRIPT_NAME']}|{environ['PATH_INFO']}".encode()]

    return app


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

"""Visits a tenant's app as its members do: every GET route, link and form.

There is a limit to everything, and each request has its time.
"""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from werkzeug.test import Client

from tenantry.doctor.page_checks import Form, Page, Person, is_last
from tenantry.doctor.routes import Routes, find_flask
from tenantry.doctor.signing_in import tokens_in
from tenantry.environ import REQUEST_ID, TENANT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from werkzeug.test import TestResponse

    from tenantry.doctor.signing_in import Login
    from tenantry.values.tenant import Tenant

PASSES = 4
MAX_REQUESTS = 400
"""Of one visitor."""
MAX_VARIANTS = 3
"""Addresses that differ in their query alone: calendars and listings have no end."""
MAX_PRESSES = 3
"""Buttons of one form that are tried."""
MAX_BODY = 1024 * 1024
SECONDS = 5.0
"""For one request."""
SERVER_ERROR = 500
UNSUPPORTED = 415
FOUND = range(200, 400)


class TooSlowError(BaseException):
    """A request takes too long. No app catches it by catching ``Exception``."""


@dataclass(slots=True)
class Report:
    """What visiting one tenant showed."""

    requests: int = 0
    forms: int = 0
    routes: int = 0
    answered: set[str] = field(default_factory=set)
    """Rules with an answer that is no error."""

    troubles: dict[str, str] = field(default_factory=dict)
    """What went wrong, by method and path."""

    cut: bool = False
    """Whether time or number of requests ran out before everything was visited."""

    leaks: list[str] = field(default_factory=list)
    """Pages that show another tenant's data."""

    pages: dict[str, None] = field(default_factory=dict)
    """Addresses whose answer was no error, in the order of the visit."""

    cookies: dict[str, str] = field(default_factory=dict)
    """What the site's cookies were when they said most about the visitor."""

    tokens: list[str] = field(default_factory=list)
    """Tokens in JSON answers."""


class Visitor:
    """A visitor with a browser, who visits every page and fills in every form.

    :param origin: Scheme, host and port of the tenant's site.
    :param is_foreign: Says whether a page has what no visitor of this tenant may see.
    :param tell: Is told of each request before it is made.
    :param seconds: How long everything may take.
    """

    def __init__(
        self,
        app: Any,
        tenant: Tenant,
        *,
        origin: str,
        mark: str,
        report: Report,
        is_foreign: Callable[[bytes], bool],
        tell: Callable[[str], None],
        seconds: float,
        login: Login | None = None,
    ) -> None:
        self._login = login
        self._bearer = ""
        self._deadline = time.monotonic() + seconds
        self._client = Client(app)
        self._tenant = tenant
        self._origin = origin
        self._person = Person(mark)
        self._report = report
        self._is_foreign = is_foreign
        self._tell = tell
        self._routes = Routes(app, urlsplit(origin).netloc)
        self._paths: dict[str, None] = {"/": None}
        self._left = MAX_REQUESTS
        report.routes = len(self._routes)

    def go(self, *first: str) -> None:
        """Visit all there is, again and again while there is something new: signing in opens doors.

        :param first: Paths that come before all others.
        """
        for path in first:
            self._get(path)
        if self._login is not None:
            self._sign_in(self._login)
        for _ in range(PASSES):
            known = self._known()
            self._pass()
            if self._known() == known:
                return

    def _sign_in(self, login: Login) -> None:
        """Sign in; an API that gives a token gets it with each request."""
        values = login.fill(self._get(login.path))
        known = len(self._report.tokens)
        place = f"POST {login.path}"
        page = self._ask("POST", login.path, data=values)
        if page is not None and page.status == UNSUPPORTED:
            self._report.troubles.pop(place, None)
            page = self._ask("POST", login.path, json=dict(login.values))
        if page is None or page.status not in range(200, 400) or page.asks_for_password:
            self._report.troubles[place] = "does not sign the visitor of --login in"
        self._bearer = next(iter(self._report.tokens[known:]), "")

    def _known(self) -> tuple[int, int]:
        return len(self._paths), len(self._report.answered)

    def _pass(self) -> None:
        """Open every known path once, and send every form once that is found on the way."""
        opened: set[str] = set()
        sent: set[tuple[str, ...]] = set()
        late: list[Form] = []
        while paths := [path for path in self._all_paths() if path not in opened]:
            for path in sorted(paths, key=is_last):
                if self._is_over():
                    return
                opened.add(path)
                for form in self._get(path):
                    if form.key in sent:
                        continue
                    sent.add(form.key)
                    if is_last(form.action):
                        late.append(form)
                    else:
                        self._send(form)
        for form in late:
            self._send(form)

    def _is_over(self) -> bool:
        over = self._left <= 0 or time.monotonic() > self._deadline
        self._report.cut = self._report.cut or over
        return over

    def _all_paths(self) -> list[str]:
        if self._is_over():
            return []
        for path in self._routes.addresses().values():
            self._add(path)
        return list(self._paths)

    def _add(self, path: str) -> None:
        plain = path.partition("?")[0]
        alike = sum(known.partition("?")[0] == plain for known in self._paths)
        if alike < MAX_VARIANTS:
            self._routes.learn(path)
            self._paths.setdefault(path)

    def _get(self, path: str, **options: Any) -> list[Form]:
        page = self._ask("GET", path, **options)
        if page is None:
            return []
        for link in page.links:
            self._add(link)
        return page.forms

    def _send(self, form: Form) -> None:
        for button in form.buttons[:MAX_PRESSES] or [("", "")]:
            values = form.filled(self._person)
            if button[0]:
                values[button[0]] = button[1]
            self._report.forms += 1
            if form.method == "POST":
                page = self._ask("POST", form.action, data=values)
            else:
                page = self._ask("GET", form.action.partition("?")[0], query_string=values)
            for link in page.links if page else ():
                self._add(link)

    def _ask(self, method: str, path: str, **options: Any) -> Page | None:
        """Make one request, and return the page if it is one."""
        if self._is_over():
            return None
        self._left -= 1
        self._report.requests += 1
        place = f"{method} {path.partition('?')[0]}"
        self._tell(place)
        limit = min(SECONDS, max(1.0, self._deadline - time.monotonic()))
        try:
            with within(limit):
                response = self._client.open(
                    path,
                    method=method,
                    base_url=self._origin,
                    headers=self._headers(),
                    environ_overrides={
                        TENANT: self._tenant,
                        REQUEST_ID: "doctor",
                        "REMOTE_ADDR": "127.0.0.1",
                    },
                    **options,
                )
                body = read(response)
        except TooSlowError:
            self._report.troubles[place] = f"takes more than {limit:.0f} s"
            return None
        except Exception as error:  # noqa: BLE001 - foreign code fails as it likes
            self._report.troubles[place] = f"raises {type(error).__name__}: {error}"
            return None
        return self._take(method, path, response, body)

    def _take(self, method: str, path: str, response: TestResponse, body: bytes) -> Page:
        """Note what an answer shows, and return where it leads."""
        status, headers = response.status_code, response.headers
        place = f"{method} {path.partition('?')[0]}"
        if status >= SERVER_ERROR:
            self._report.troubles[place] = f"answers {response.status}"
        if self._is_foreign(body) or self._is_foreign(str(headers).encode()):
            self._report.leaks.append(place)
        rule = self._routes.learn(path)
        if status in FOUND and rule is not None and method == "GET":
            self._report.answered.add(rule)
        self._note_credentials(path, response, body)
        if status in FOUND and method == "GET":
            self._report.pages[path] = None
        page = Page(f"{self._origin}{path}", "")
        if "html" in headers.get("Content-Type", ""):
            page = Page(f"{self._origin}{path}", body.decode("utf-8", "replace"))
        page.status = status
        target = headers.get("Location")
        if target is not None and (local := page.local(target)) is not None:
            page.links.append(local)
        return page

    def _note_credentials(self, path: str, response: TestResponse, body: bytes) -> None:
        """Keep cookies and tokens, as somebody would who steals them while the visitor is signed in."""
        kept = self._report.cookies
        for name, value in cookies_of(self._client).items():
            if len(value) + (not is_last(path)) > len(kept.get(name, "")):
                kept[name] = value
        if "json" in response.headers.get("Content-Type", ""):
            self._report.tokens += tokens_in(body)

    def _headers(self) -> dict[str, str]:
        bearer = {"Authorization": f"Bearer {self._bearer}"} if self._bearer else {}
        return {
            **bearer,
            "Accept": "text/html,*/*;q=0.8",
            "Accept-Language": "en",
            "Origin": self._origin,
            "Referer": f"{self._origin}/",
            "Sec-Fetch-Site": "same-origin",
            "User-Agent": f"tenantry-doctor/{self._person.mark}",
        }


def cookies_of(client: Client) -> dict[str, str]:
    """Return the names and values of all cookies that a client keeps."""
    kept = client._cookies or {}  # noqa: SLF001 - werkzeug's client lists them nowhere else
    return {cookie.decoded_key: cookie.decoded_value for cookie in kept.values()}


def visit(app: Any, tenant: Tenant, *, mark: str, **options: Any) -> None:
    """Visit the app as a stranger who becomes a member, and as the site's owner.

    :param options: Those of :class:`Visitor`; with a login, the stranger signs in first.
    """
    Visitor(app, tenant, mark=mark, **options).go()
    options.pop("login", None)
    owner = f"{mark}o"
    entry = find_entry(app, Person(owner))
    if entry is not None:
        Visitor(app, tenant, mark=owner, **options).go(entry)


def find_entry(app: Any, person: Person) -> str | None:
    """Return a path that signs the site's owner in, if the app offers one."""
    flask = find_flask(app)
    management = flask.extensions.get("tenantry.management") if flask is not None else None
    if flask is None or management is None:
        return None
    with flask.app_context():
        path: str = management.entry_path(email=person.email, name=person.mark)
    return path


def read(response: TestResponse) -> bytes:
    """Return as much of the body as anybody needs, and end the response."""
    try:
        parts: Iterator[bytes] = iter(response.response)  # type: ignore[arg-type]
        body = b""
        for part in islice(parts, MAX_BODY):
            body += part
            if len(body) > MAX_BODY:
                break
        return body
    finally:
        response.close()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise :class:`TooSlowError` in the block after so many seconds; for the main thread."""

    def stop(*_: Any) -> None:
        raise TooSlowError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

"""A visitor with a browser's cookies and forms."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.live.server import Server
    from tests.live.wire import Answer

PASSWORD = "a purple lantern over the harbour"


class Visitor:
    """Visits one host, below one mount.

    :param slug: The site's; its host is ``<slug>.localhost`` unless *host* says otherwise.
    """

    def __init__(self, server: Server, slug: str, *, host: str = "", mount: str = "") -> None:
        self._server = server
        self._host = f"{host or f'{slug}.localhost'}:{server.port}"
        self._mount = mount
        self.cookies: dict[str, str] = {}
        self.email = f"visitor-{id(self)}@example.org"

    def get(self, path: str) -> Answer:
        """Fetch a page."""
        return self._keep(self._server.ask(self._host, self._mount + path, headers=self._cookie()))

    def token(self, path: str) -> str:
        """Return the CSRF token of a page's form."""
        page = self.get(path)
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
        assert found is not None, page.text
        return found.group(1)

    def send(self, path: str, form: Mapping[str, str]) -> Answer:
        """Send a form, with its token in it."""
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": f"http://{self._host}",
            **self._cookie(),
        }
        body = urlencode(form).encode()
        answer = self._server.ask(
            self._host, self._mount + path, method="POST", headers=headers, body=body
        )
        return self._keep(answer)

    def fill(self, path: str, **form: str) -> Answer:
        """Open the page of a form and send it."""
        return self.send(path, {**form, "csrf_token": self.token(path)})

    def join(self) -> Answer:
        """Become a member and sign in; return what signing in answered."""
        who = {"email": self.email, "password": PASSWORD}
        joined = self._patiently("/members/sign-up", name="Visitor", **who)
        assert joined.status == 303, joined.text
        answer = self._patiently("/members/sign-in", **who)
        assert answer.status == 303, answer.text
        return answer

    def _patiently(self, path: str, **form: str) -> Answer:
        """Send a form until there is a place to hash its password in, as often as it is told to."""
        for _ in range(20):
            answer = self.fill(path, **form)
            if answer.status != 503:
                break
            time.sleep(int(answer.get("Retry-After")))
        return answer

    def _cookie(self) -> dict[str, str]:
        if not self.cookies:
            return {}
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}

    def _keep(self, answer: Answer) -> Answer:
        for line in answer.headers.get_all("Set-Cookie", []):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

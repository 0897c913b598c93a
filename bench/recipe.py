"""What people write today: the dispatcher of Flask's documentation, put together as it says there.

See https://flask.palletsprojects.com/patterns/appdispatch/ and, for the proxy,
https://flask.palletsprojects.com/deploying/proxy_fix/. It is what the benchmark compares with, and
nothing else uses it: it builds while it holds its lock, and keeps an app for every name asked for.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class RecipeDispatcher:
    """Sends a request to the app of its subdomain, made at the first request."""

    def __init__(self, domain: str, create_app: Callable[[str], WSGIApplication]) -> None:
        self.domain = domain
        self.create_app = create_app
        self.lock = Lock()
        self.instances: dict[str, WSGIApplication] = {}

    def get_application(self, host: str) -> WSGIApplication:
        host = host.split(":")[0]  # noqa: PLC0207 - as it is documented
        assert host.endswith(self.domain), "Configuration error"
        subdomain = host.removesuffix(self.domain).rstrip(".")
        with self.lock:
            app = self.instances.get(subdomain)
            if app is None:
                app = self.create_app(subdomain)
                self.instances[subdomain] = app
            return app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        app = self.get_application(environ["HTTP_HOST"])
        return app(environ, start_response)


def build_recipe(
    *, domain: str, create_app: Callable[[str], WSGIApplication], backend: WSGIApplication
) -> WSGIApplication:
    """Return the recipe as it stands alone."""
    sites = RecipeDispatcher(domain, create_app)
    return DispatcherMiddleware(sites, {"/backend": backend})


def behind_proxy(app: WSGIApplication) -> WSGIApplication:
    """Return *app* as it is deployed behind one proxy."""
    return ProxyFix(app, x_for=1, x_proto=1, x_host=1, x_prefix=1)

"""Full instances or flyweights: how a factory's apps are made, by ``TENANTRY_INSTANCES``."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from flask import Flask

from tenantry.errors import BuildOnceError, UnfitError
from tenantry.flask import extensions
from tenantry.flask.building import building, check_built
from tenantry.flask.flyweight import SharedFactory
from tenantry.flask.freezing import is_shared
from tenantry.flask.prototype import AlreadySharedError
from tenantry.flask.verdicts import is_flyweight_chosen

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from tenantry.factory import Factory
    from tenantry.flask.building import Build
    from tenantry.flask.prototype import Prototype
    from tenantry.settings import Settings

log = logging.getLogger(__name__)

_WRAPPED = ("app", "wsgi_app", "application")
"""Names under which a middleware keeps what it wraps."""

MOST_WRAPPERS = 8

_TWICE = re.compile(r"already|twice|duplicate|overwriting|more than once|only once", re.IGNORECASE)
"""What libraries say of a name that a second build registers again."""


class Instances:
    """Makes the apps of one factory.

    :param found: The factory as it was imported.
    """

    def __init__(self, found: Factory, settings: Settings) -> None:
        self._found = found
        self._settings = settings
        self._built = 0
        self._shared = SharedFactory(found.build) if is_flyweight_chosen(settings) else None

    def prepare(self) -> None:
        """Load what all tenants share, and build the prototype if there is one.

        :raises UnfitError: ``TENANTRY_INSTANCES`` is ``flyweight``, and the factory cannot be shared.
        """
        self._found.prepare()
        self.find_prototype()

    def find_prototype(self) -> Prototype | None:
        """Return the prototype, unless the factory makes full instances or has one of its own.

        :raises UnfitError: ``TENANTRY_INSTANCES`` is ``flyweight``, and the factory cannot be shared.
        """
        shared = self._shared
        if shared is None:
            return None
        try:
            return shared.prepare(self._settings)
        except AlreadySharedError:
            self._shared = None
        except Exception as error:  # foreign code fails as it likes
            if self._settings.instances == "flyweight":
                raise
            log.warning("tenants get full instances: %s: %s", type(error).__name__, error)
            self._shared = None
        return None

    def build(self, build: Build) -> WSGIApplication:
        """Return an app for the build's tenant.

        :raises SharedAppError: The factory returned an app that is not this tenant's alone.
        :raises UnfitError: ``TENANTRY_INSTANCES`` is ``flyweight``, and the factory cannot be shared.
        :raises BuildOnceError: The factory can be called only once in a process.
        """
        prototype = self.find_prototype()
        if prototype is not None and self._shared is not None:
            try:
                return self._shared.instance(build)
            except UnfitError as error:  # this tenant is different from the others
                if self._settings.instances == "flyweight":
                    raise
                log.warning("%s gets a full instance: %s", build.tenant.slug, error)
        return self._build_full(build)

    def _build_full(self, build: Build) -> WSGIApplication:
        extensions.install()
        try:
            with building(build):
                app = self._found.build(build.tenant)
        except Exception as error:
            if self._built and _TWICE.search(str(error)):
                raise BuildOnceError(f"{type(error).__name__}: {error}") from error
            raise
        self._built += 1
        check_built(app, build, factory=self._settings.factory)
        if (inner := _find_flask(app)) is not None and not is_shared(inner):
            extensions.adapt(inner)
        return app


def _find_flask(app: Any) -> Flask | None:
    """Return the Flask app inside of middleware, if there is one."""
    for _ in range(MOST_WRAPPERS):
        app = getattr(app, "__self__", app)  # a middleware may wrap the method app.wsgi_app
        if app is None or isinstance(app, Flask):
            return app
        held = getattr(app, "__dict__", {})
        app = next((held[name] for name in _WRAPPED if name in held), None)
    return None

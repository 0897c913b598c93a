"""Flask-SQLAlchemy-Lite: its engines are the current tenant's one database."""

from __future__ import annotations

from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any

from flask import g
from flask_sqlalchemy_lite import SQLAlchemy
from flask_sqlalchemy_lite._cli import add_models_to_shell
from flask_sqlalchemy_lite._extension import _close_sessions, _State
from flask_sqlalchemy_lite._make import _make_sessionmaker

from tenantry.databases.placements import tenant_database
from tenantry.flask.binding import current_binding
from tenantry.flask.building import current_build, current_watch

if TYPE_CHECKING:
    from flask import Flask

_STATE = "_tenantry_lite_state"

_init_app = SQLAlchemy.init_app


class TenantLite(SQLAlchemy):
    """The extension for every tenant: it keeps nothing of any app."""

    def init_app(self, app: Flask) -> None:  # type: ignore[override]
        """Register the extension on *app*; no engine is made before it is needed."""
        if "sqlalchemy" in app.extensions:
            raise RuntimeError("This app has a SQLAlchemy extension already; import that one.")
        app.extensions["sqlalchemy"] = self
        app.teardown_appcontext(_close_sessions)
        app.shell_context_processor(add_models_to_shell)
        self._names = tuple(app.config.get("SQLALCHEMY_ENGINES", ())) or ("default",)
        build = current_build()
        if build is not None and build.creates_database:
            tenant_database(build.tenant, build.settings).create()

    def _get_state(self) -> _State:
        state: _State | None = g.get(_STATE)
        if state is None:
            settings, tenant = current_binding()
            engine = tenant_database(tenant, settings).serving_engine()
            if (watch := current_watch()) is not None:
                watch.listen(engine.dialect)
            engines = dict.fromkeys(self._names, engine)
            maker = _make_sessionmaker(self._session_options, engines, False)
            async_maker = _make_sessionmaker(self._session_options, {}, True)
            state = _State(
                engines=engines,
                sessionmaker=maker,
                async_engines={},
                async_sessionmaker=async_maker,
            )
            setattr(g, _STATE, state)  # the same for the whole request
        return state


@wraps(_init_app)
def _init_for_tenant(self: SQLAlchemy, app: Any) -> None:
    if current_build() is None:
        _init_app(self, app)
        return
    extension: Any = self
    extension.__class__ = _tenant_kind(extension.__class__)
    TenantLite.init_app(extension, app)


@lru_cache(maxsize=16)
def _tenant_kind(kind: Any) -> Any:
    if issubclass(kind, TenantLite):
        return kind
    if kind is SQLAlchemy:
        return TenantLite
    return type(kind.__name__, (TenantLite, kind), {"__module__": kind.__module__})


def install() -> None:
    """Have the extensions of tenants' apps made here."""
    SQLAlchemy.init_app = _init_for_tenant  # type: ignore[method-assign]

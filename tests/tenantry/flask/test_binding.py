"""Which tenant an app belongs to, and who may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from flask import Flask

from tenantry import current_tenant, init_tenant
from tenantry.errors import NoTenantError
from tenantry.flask.binding import init_platform
from tests.tenantry.support import a_tenant, ask, at_once

if TYPE_CHECKING:
    from tenantry.settings import Settings

ACME = a_tenant("acme")


def test_an_app_knows_its_tenant(settings: Settings) -> None:
    """current_tenant is the app's own, in requests and in contexts made by hand."""
    app = Flask("site")
    init_tenant(app, ACME, settings=settings)
    app.add_url_rule("/", view_func=lambda: f"{current_tenant.slug} {current_tenant.name}")

    assert ask(app).text == "acme Acme"
    with app.app_context():
        assert current_tenant == ACME
    binding = app.extensions["tenantry"]
    assert (binding.tenant, binding.settings) == (ACME, settings)


def test_there_is_no_default_tenant(settings: Settings) -> None:
    """Law 1: outside a tenant's app, in the platform's and in an unbound one, asking is an error."""
    with pytest.raises(NoTenantError, match="app_context"):
        _ = current_tenant.slug
    platform, unbound = Flask("front"), Flask("unbound")
    init_platform(platform, "front", settings=settings)
    for app in (platform, unbound):
        with app.app_context(), pytest.raises(NoTenantError):
            _ = current_tenant.slug


def test_a_context_inside_another_is_the_inner_ones(settings: Settings) -> None:
    """Law 1: the backend may work in a tenant's context and come back to its own."""
    outer, inner = Flask("outer"), Flask("inner")
    init_tenant(outer, ACME, settings=settings)
    init_tenant(inner, a_tenant("bolt"), settings=settings)
    with outer.app_context():
        with inner.app_context():
            assert current_tenant.slug == "bolt"
        assert current_tenant.slug == "acme"


def test_threads_do_not_share_a_tenant(settings: Settings) -> None:
    """Law 9: requests at the same time each see their own."""
    apps = []
    for number in range(8):
        app = Flask("site")
        init_tenant(app, a_tenant(f"t{number}"), settings=settings)
        app.add_url_rule("/", view_func=lambda: current_tenant.slug)
        apps.append(app)

    def visit(number: int) -> set[str]:
        return {ask(apps[number]).text for _ in range(50)}

    assert at_once(8, visit) == [{f"t{number}"} for number in range(8)]


def test_a_factorys_own_settings_stay(settings: Settings) -> None:
    """Only what keeps tenants apart is set: keys, session, folder. The rest is the factory's."""
    app = Flask("site")
    app.config.update(MAX_CONTENT_LENGTH=7, SECRET_KEY="one for all tenants")
    init_tenant(app, ACME, settings=settings)
    other = Flask("site")
    init_tenant(other, a_tenant("bolt"), settings=settings)

    assert app.config["MAX_CONTENT_LENGTH"] == 7
    assert other.config["MAX_CONTENT_LENGTH"] == settings.limit_form_bytes
    assert app.secret_key != "one for all tenants"
    assert app.secret_key != other.secret_key
    assert app.instance_path == str(settings.tenant_dir(ACME.id))
    assert app.instance_path != other.instance_path


def test_a_body_too_large_is_413(settings: Settings) -> None:
    """Law 6: an app takes no more than it has set, or the deployment."""
    app = Flask("site")
    app.config["MAX_CONTENT_LENGTH"] = 10
    init_tenant(app, ACME, settings=settings)

    @app.post("/")
    def take() -> str:
        from flask import request

        return str(len(request.get_data()))

    assert ask(app, method="POST", data=b"x" * 10).text == "10"
    assert ask(app, method="POST", data=b"x" * 11).status == 413

"""The test kit, used as an author of a factory uses it: by pytest, in a project of its own."""

from __future__ import annotations

import pytest

PLUGIN = "addopts = -p tenantry.testing.plugin\nfilterwarnings = error"
"""A checkout may have been installed before there was the entry point."""

SHOP = """
from flask import Flask, request, session
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()


class Order(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(80))


def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.sqlite"
    db.init_app(app)

    @app.route("/", methods=["GET", "POST"])
    def home():
        if request.method == "POST":
            db.session.add(Order(name=request.form["name"]))
            db.session.commit()
            session["name"] = request.form["name"]
        names = [order.name for order in db.session.scalars(db.select(Order))]
        return f"orders: {names}\\nvisitor: {session.get('name')}"

    with app.app_context():
        db.create_all()
    return app
"""

TESTS = """
import pytest
from tenantry.errors import TenantExistsError
from tenantry.testing import Platform, SiteClient


@pytest.mark.parametrize("number", range(2))
def test_each_test_has_a_new_database(tenant_client, number):
    assert "orders: []" in tenant_client.get("/").text
    tenant_client.post("/", data={"name": "pears"})
    assert "orders: ['pears']" in tenant_client.get("/").text


def test_the_app_is_the_tenant_s(tenant, tenant_app, tenantry_settings):
    assert tenant.slug == "acme"
    assert tenant_app.instance_path == str(tenantry_settings.tenant_dir(tenant.id))


def test_sessions_can_be_read(tenant_client):
    tenant_client.post("/", data={"name": "pears"})
    with tenant_client.session_transaction() as session:
        assert session["name"] == "pears"


def test_tenants_are_isolated(tenant_client, other_client, assert_isolated):
    tenant_client.post("/", data={"name": "pears"})
    assert_isolated(tenant_client, other_client, "pears")


def test_front_door(platform: Platform, tenant, other_tenant, assert_isolated):
    acme, globex = platform.client(tenant), platform.client(other_tenant)
    assert acme.post("/", data={"name": "plums"}).status_code == 200
    assert "visitor: plums" in acme.get("/").text
    assert_isolated(acme, globex, "plums")
    assert platform.client().get("/").status_code == 200
    initech = platform.create("initech")
    assert "orders: []" in platform.client(initech).get("/").text
    with pytest.raises(TenantExistsError):
        platform.create("initech")
    platform.operations.suspend(initech.slug)
    assert platform.client(initech).get("/").status_code == 403


def test_the_next_platform_is_new(platform: Platform):
    platform.create("initech")
    assert "orders: []" in platform.client(platform.catalog.tenants.get("acme")).get("/").text
"""


LEAKS = """
from flask import Flask, request

ORDERS = []


def create_app():
    app = Flask(__name__)

    @app.route("/", methods=["GET", "POST"])
    def home():
        if request.method == "POST":
            ORDERS.append(request.form["name"])
        reply = app.make_response(f"signed in: {request.cookies.get('who')}")
        reply.set_cookie("who", request.form.get("name", "nobody"))
        return reply

    @app.get("/orders")
    def orders():
        return ", ".join(ORDERS)

    return app
"""

LEAK_TESTS = """
import pytest


@pytest.fixture
def tenantry_variables():
    return {"TENANTRY_FACTORY": "leaks:create_app"}


def test_cookies(tenant_client, other_client, assert_isolated):
    tenant_client.post("/", data={"name": "pears"})
    assert_isolated(tenant_client, other_client)


def test_texts(tenant_client, other_client, assert_isolated):
    tenant_client.post("/", data={"name": "pears"})
    tenant_client.delete_cookie("who", domain="acme.localhost")
    assert_isolated(tenant_client, other_client, "pears")


def test_apps(tenant_client, assert_isolated):
    assert_isolated(tenant_client, tenant_client)
"""

SETTINGS = """
import pytest

@pytest.fixture
def tenantry_variables():
    return {"TENANTRY_DOMAIN": "example.org", "TENANTRY_BASE_URL": "https://example.org"}

def test_it(platform, tenant):
    client = platform.client(tenant)
    assert client.origin == "https://acme.example.org/"
    assert client.get("/").status_code == 200
"""

MISSING = """
import pytest


@pytest.fixture
def tenantry_variables():
    return {"TENANTRY_FACTORY": "market:create_app"}


def test_it(tenant):
    pass
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """Return a project with a shop that knows of no tenants."""
    pytester.makeini(f"[pytest]\n{PLUGIN}\ntenantry_factory = shop:create_app\n")
    pytester.makepyfile(shop=SHOP, test_shop=TESTS)
    return pytester


def test_a_project_s_tests(project: pytest.Pytester) -> None:
    """Each test has new tenants and an app as the platform builds it; what is shared fails a test.

    All in one run, since a process that imports everything takes seconds.
    """
    project.makepyfile(
        leaks=LEAKS, test_leaks=LEAK_TESTS, test_settings=SETTINGS, test_missing=MISSING
    )
    found = project.runpytest_subprocess()
    found.assert_outcomes(passed=8, failed=3, errors=1)
    found.stdout.fnmatch_lines_random(
        [
            "*With the first tenant's cookies (who), / of the other tenant*signed in: pears*",
            "*/orders of the other tenant shows 'pears'.*",
            "*Both tenants have the same app.*",
            "*there is no module 'market' on the path*",
        ]
    )


@pytest.mark.postgresql
def test_on_a_server(project: pytest.Pytester, server_url: str) -> None:
    """The same tests run on PostgreSQL, by one option."""
    found = project.runpytest_subprocess(f"--tenantry-postgresql={server_url}")
    found.assert_outcomes(passed=7)

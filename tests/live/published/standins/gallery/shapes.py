"""The other shapes that factories have."""

from __future__ import annotations

from typing import Any

from flask import Flask

from . import Config, finish


def with_test_config(test_config: dict[str, Any] | None = None) -> Flask:
    """Take settings for tests, as Flask's tutorial does."""
    app = finish(Flask(__name__, instance_relative_config=True), Config)
    app.config.from_mapping(test_config or {})
    return app


CONFIGS = {"production": Config}


def by_name(config_name: str) -> Flask:
    """Take the name of settings."""
    return finish(Flask(__name__), CONFIGS[config_name])


def by_class(config_class: str) -> Flask:
    """Take a class of settings, or its name."""
    return finish(Flask(__name__), config_class)


def with_folder(config: dict[str, Any], instance_path: str) -> Flask:
    """Take settings and the instance folder."""
    app = Flask(__name__, instance_path=instance_path)
    app.config.from_mapping(config)
    return finish(app, Config)


def for_tenant(tenant: Any) -> Flask:
    """Take the tenant."""
    app = Flask(__name__)
    app.config["TITLE"] = tenant.name
    return finish(app, Config)

"""How servers are started, and what is said where one cannot be."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
import pytest

from tenantry.cli.launch import SERVERS, command_of, listen_options
from tenantry.errors import SettingsError
from tenantry.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("server", ["gunicorn", "granian"])
def test_a_server_that_is_not_installed_is_a_sentence(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remedy is a command to copy."""
    monkeypatch.setattr(sys, "path", [])  # a Python without any packages
    with pytest.raises(click.ClickException, match=rf"pip install 'tenantry\[{server}\]'"):
        command_of(server, load_settings())


@pytest.mark.parametrize("server", ["gunicorn", "granian"])
def test_the_uwsgi_protocol_is_uwsgi_s(server: str) -> None:
    """No other server speaks it; nothing is started that a proxy could not reach."""
    settings = load_settings(socket="/run/tenantry/app.sock")
    with pytest.raises(SettingsError, match=r"TENANTRY_SOCKET=/run/tenantry/app.sock: only uWSGI"):
        command_of(server, settings)
    assert "--ini" in command_of("uwsgi", settings)


def test_granian_has_no_internal_listener() -> None:
    """A setting that would do nothing is refused."""
    settings = load_settings(internal_listen="127.0.0.1:8001")
    with pytest.raises(SettingsError, match=r"INTERNAL_LISTEN=.*: Granian"):
        command_of("granian", settings)
    assert "gunicorn" in " ".join(command_of("gunicorn", settings))


@pytest.mark.parametrize("server", SERVERS)
def test_each_server_has_a_command(server: str) -> None:
    """All three are installed here."""
    assert server in " ".join(command_of(server, load_settings()))


@pytest.mark.parametrize(
    ("allowed", "options"),
    [
        ("4096\n", []),
        ("128\n", []),
        ("64\n", ["--listen", "64"]),
        ("", []),
    ],
)
def test_the_queue_is_as_long_as_the_kernel_allows(
    tmp_path: Path, allowed: str, options: list[str]
) -> None:
    """UWSGI does not start with a longer one."""
    (tmp_path / "somaxconn").write_text(allowed)
    assert listen_options(tmp_path / "somaxconn") == options
    assert listen_options(tmp_path / "missing") == []

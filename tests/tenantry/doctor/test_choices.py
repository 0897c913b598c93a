"""What the doctor says about settings that are valid and no good idea."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tenantry.doctor import Severity, examine_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenantry.settings import Settings

UNSAFE, WARNING, OK = Severity
SAFE: dict[str, Any] = {
    "domain": "example.com",
    "base_url": "https://example.com",
    "trusted_proxies": 1,
}


def test_a_good_choice_has_nothing(make_settings: Callable[..., Settings]) -> None:
    """A deployment behind a proxy with TLS is in order."""
    [finding] = examine_settings(make_settings(**SAFE))
    assert finding.severity is OK


@pytest.mark.parametrize(
    ("choice", "subject", "severity"),
    [
        pytest.param({"secret_keys": "k" * 40}, "SECRET_KEYS", UNSAFE, id="guessable key"),
        pytest.param({"secret_keys": ()}, "SECRET_KEYS", WARNING, id="no key"),
        pytest.param(
            {"bind": "0.0.0.0", "trust_any_peer": True},  # noqa: S104 - the choice
            "TRUST_ANY_PEER",
            WARNING,
            id="any peer",
        ),
        pytest.param(
            {"bind": "0.0.0.0", "trusted_proxies": 0, "base_url": "https://example.com"},  # noqa: S104
            "BIND",
            WARNING,
            id="no proxy",
        ),
        pytest.param({"trusted_proxies": 0}, "TRUSTED_PROXIES", WARNING, id="proxy not believed"),
        pytest.param(
            {"routing": "path", "allow_shared_origin": True},
            "ALLOW_SHARED_ORIGIN",
            UNSAFE,
            id="shared origin",
        ),
        pytest.param({"base_url": "http://example.com"}, "BASE_URL", WARNING, id="no TLS"),
        pytest.param({"threads": 1}, "THREADS", WARNING, id="one thread"),
    ],
)
def test_a_bad_choice_is_named(
    make_settings: Callable[..., Settings],
    choice: dict[str, Any],
    subject: str,
    severity: Severity,
) -> None:
    """Each finding names the variable that can be changed."""
    found = examine_settings(make_settings(**(SAFE | choice)))
    by_name = {finding.subject: finding.severity for finding in found}
    assert by_name[f"TENANTRY_{subject}"] is severity


@pytest.mark.parametrize(
    ("domain", "severity"),
    [
        pytest.param("example.com", UNSAFE, id="public"),
        pytest.param("localhost", WARNING, id="own machine"),
    ],
)
def test_debug_mode_is_for_the_own_machine(
    make_settings: Callable[..., Settings], domain: str, severity: Severity
) -> None:
    """Debug mode shows visitors the source."""
    [finding] = examine_settings(make_settings(**(SAFE | {"domain": domain})), debug=True)
    assert (finding.subject, finding.severity) == ("FLASK_DEBUG", severity)

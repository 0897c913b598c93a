"""What people recognise a session by."""

from __future__ import annotations

import pytest

from tenantry import describe_device, network_of

APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        pytest.param(
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox on Linux",
            id="Firefox",
        ),
        pytest.param(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
            "Edge on Windows",
            id="Edge",
        ),
        pytest.param(
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/140.0.0.0 Mobile Safari/537.36",
            "Chrome on Android",
            id="Chrome",
        ),
        pytest.param(
            f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {APPLE} Version/18.0 Safari/605.1.15",
            "Safari on macOS",
            id="Safari",
        ),
        pytest.param(
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) {APPLE} Version/18.0 "
            "Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
            id="iPhone",
        ),
        pytest.param("curl/8.5.0", "curl", id="curl"),
        pytest.param("<script>alert(1)</script>", "Unknown device", id="nonsense"),
        pytest.param("", "Unknown device", id="empty"),
        pytest.param(None, "Unknown device", id="none"),
    ],
)
def test_a_device_is_named_in_words(agent: str | None, words: str) -> None:
    """A name is one of ours: nothing that a visitor sends is shown to somebody else."""
    assert describe_device(agent) == words


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("192.0.2.77:4711", "192.0.2.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("[2001:db8:1:2::3]:4711", "2001:db8:1::/48"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("unix:", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_a_network_names_no_person(address: str | None, network: str) -> None:
    """It is recognised by who was there, and says little to anybody else."""
    assert network_of(address) == network

"""Which addresses webhooks call (R33)."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

import pytest

from tenantry.errors import BadWebhookError, WebhookFailedError
from tenantry.webhooks import Outside, check_webhook_url
from tenantry.webhooks.addresses import is_of_this_machine, is_outside

OUTSIDE = Outside(own_hosts=frozenset({"example.test"}), own_addresses=frozenset({"9.9.9.9"}))
INSIDE = Outside(networks=(ip_network("127.0.0.0/8"),))


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *(str(ip_address(0)), "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1"),
        *("fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1"),
        *("64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::", "2001:db8::1"),
        *("fec0::1", "::7f00:1", "64:ff9b:1:a00:0:100:808:808", "5f00::1"),
    ],
)
def test_inside_addresses_are_refused(address: str) -> None:
    """R33: private, loopback, link-local and multicast ones, and IPv6 forms of them."""
    assert not is_outside(ip_address(address))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(WebhookFailedError):
        OUTSIDE.resolve(urlsplit(f"https://{host}/"))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are_called(address: str) -> None:
    """Also through a gateway of the provider's."""
    assert is_outside(ip_address(address))


def test_own_addresses_are_refused() -> None:
    """Those that the platform names, and those of this machine, be they of the internet."""
    for host in ("9.9.9.9", "[64:ff9b::909:909]", "[2002:909:909::]"):
        with pytest.raises(WebhookFailedError, match="address that is not outside"):
            OUTSIDE.resolve(urlsplit(f"https://{host}/"))
    assert OUTSIDE.resolve(urlsplit("https://8.8.8.8/")) == ["8.8.8.8"]
    assert is_of_this_machine("127.0.0.1")
    assert not is_of_this_machine("8.8.8.8")


def test_names_are_held_to_their_addresses() -> None:
    """A harmless name may lead inside; one without an address is told so."""
    with pytest.raises(
        WebhookFailedError, match="localhost leads to an address that is not outside"
    ):
        OUTSIDE.resolve(urlsplit("https://localhost/"))
    assert "127.0.0.1" in Outside(
        networks=(ip_network("127.0.0.0/8"), ip_network("::1/128"))
    ).resolve(urlsplit("http://localhost:8080/"))
    with pytest.raises(WebhookFailedError, match="has no address"):
        OUTSIDE.resolve(urlsplit("https://nothing.invalid/"))


def test_outside_only_https_is_called() -> None:
    """Allowed networks lift that for themselves only."""
    for url in ("http://8.8.8.8/", "https://8.8.8.8:8443/"):
        with pytest.raises(WebhookFailedError, match="only https on port 443"):
            INSIDE.resolve(urlsplit(url))
    assert INSIDE.resolve(urlsplit("http://127.0.0.1:9/")) == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "https:// and a host"),
        ("ftp://hooks.example.com/", "https:// and a host"),
        ("https:///path", "https:// and a host"),
        ("https://[::1", "no URL"),
        ("https://hooks.example.com:99999/", "no URL"),
        ("https://a b.example.com/", "spaces"),
        ("https://hooks.example.com/\r\nX: y", "spaces"),
        ("https://bücher.example/", "ASCII"),
        ("https://hooks.example.com/" + "x" * 500, "more than 500"),
        ("https://me:secret@hooks.example.com/", "user name"),
        ("https://hooks.example.com/#part", "fragment"),
        ("https://hooks_.example.com/", "its host cannot be"),
        ("https://127.1/", "its host cannot be"),
        ("https://127.0.0.1/", "address in place"),
        ("https://[::1]/", "address in place"),
        ("https://example.test/", "the platform itself"),
        ("https://acme.example.test/hook", "the platform itself"),
        ("http://hooks.example.com/", "only https"),
        ("https://hooks.example.com:8443/", "only https"),
    ],
)
def test_a_url_that_cannot_be_called_is_refused_at_once(url: str, problem: str) -> None:
    """With the reason."""
    with pytest.raises(BadWebhookError, match=problem):
        check_webhook_url(url, OUTSIDE)


def test_other_urls_are_taken_without_asking_a_resolver() -> None:
    """Their addresses are looked at when they are called."""
    for url in ("https://hooks.example.com/", "https://notexample.test/x?y=z", "https://a.invalid"):
        assert check_webhook_url(f" {url} ", OUTSIDE) == url
    assert check_webhook_url("http://127.0.0.1:9/", INSIDE) == "http://127.0.0.1:9/"
    with pytest.raises(BadWebhookError):
        check_webhook_url("http://10.0.0.1/", INSIDE)

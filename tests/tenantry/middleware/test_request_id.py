"""Ids of requests."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tenantry.middleware.request_id import RequestIds


@pytest.mark.parametrize("given", ["abcdefgh", "A-1-b-2-C-3", "0" * 64, "f47ac10b-58cc-4372"])
def test_a_harmless_id_is_kept(given: str) -> None:
    """R56: who comes through a proxy can follow the request by the proxy's id."""
    environ = {"HTTP_X_REQUEST_ID": given}

    assert RequestIds(from_proxy=True).assign(environ) == given
    assert environ["tenantry.request_id"] == given


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "short",
        "0" * 65,
        "a b c d e",
        "abcdefgh\n",
        '"><script>',
        "\xffabcdefgh",
        "a_b_c_d_e",
    ],
)
def test_any_other_id_is_replaced(given: str | None) -> None:
    """R56: an id stands in logs and pages, and can do no harm there."""
    environ = {} if given is None else {"HTTP_X_REQUEST_ID": given}
    made = RequestIds(from_proxy=True).assign(environ)

    assert made != given
    assert made.replace("-", "").isalnum()
    assert RequestIds(from_proxy=True).assign({"HTTP_X_REQUEST_ID": made}) == made


def test_a_visitor_chooses_no_id() -> None:
    """R56: without a proxy that overwrites it, the header is the visitor's and says nothing."""
    made = RequestIds().assign({"HTTP_X_REQUEST_ID": "the-id-of-somebody-else"})

    assert made != "the-id-of-somebody-else"


def test_ids_are_unique_among_threads_and_makers() -> None:
    """Two requests never share an id, in whatever worker they are."""
    makers = [RequestIds(), RequestIds()]
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda number: makers[number % 2].assign({}), range(4000)))

    assert len(set(made)) == 4000


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_makes_ids_of_its_own() -> None:
    """Law 13: workers forked from one master do not count the same numbers."""
    ids = RequestIds()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, ids.assign({}).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(read, 100).decode()
    os.close(read)
    os.close(write)

    assert theirs.partition("-")[0] != ids.assign({}).partition("-")[0]

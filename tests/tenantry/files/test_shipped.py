"""Finding what comes with Tenantry beside its modules."""

from __future__ import annotations

import pytest

from tenantry.files.shipped import find_shipped


@pytest.mark.parametrize("name", ["dispatch.py", "uwsgi.ini"])
def test_a_checkout_has_them_at_its_root(name: str) -> None:
    """In a checkout, what a wheel has inside the package stands at the root."""
    assert find_shipped("in-a-wheel-only", name).is_file()


def test_a_damaged_installation_is_told() -> None:
    """A file that neither has is named, with the remedy."""
    with pytest.raises(FileNotFoundError, match=r"lost\.txt; install Tenantry again"):
        find_shipped("lost.txt", "lost.txt")

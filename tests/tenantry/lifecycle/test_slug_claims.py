"""Claims on slugs that are being created."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenantry.errors import TenantExistsError
from tenantry.lifecycle.slug_claims import Claims

if TYPE_CHECKING:
    from tenantry.settings import Settings


def test_a_slug_is_claimed_once(settings: Settings) -> None:
    """Also by threads of one process; other slugs are free, and each is when its claim ends."""
    with Claims(settings) as mine, Claims(settings) as others:
        mine.take("acme")
        for claims in (mine, others):
            with pytest.raises(TenantExistsError):
                claims.take("acme")
        others.take("globex")
    with Claims(settings) as later:
        later.take("acme")

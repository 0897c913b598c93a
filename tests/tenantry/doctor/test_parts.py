"""What an object holds is seen alike on every Python."""

from __future__ import annotations

from tenantry.doctor.parts import children


class Cart:
    """An object with attributes of its own."""

    def __init__(self) -> None:
        self.last = "one more"


def test_an_objects_attributes_are_reached_by_their_names() -> None:
    """They are found in its dictionary, and never beside it without a name."""
    cart = Cart()
    assert list(children(cart)) == [vars(cart)]

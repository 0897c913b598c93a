"""A lock on a tenant: who keeps whom away, what is said, and that nothing outlives its holder."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from typing import TYPE_CHECKING

import pytest

from tenantry.errors import TenantLockedError, UnfinishedError
from tenantry.files.locks import check_finished, restore_journal, tenant_lock
from tests.conftest import eventually
from tests.tenantry.support import a_tenant

if TYPE_CHECKING:
    from pathlib import Path

    from tenantry.settings import Settings

ACME = a_tenant("acme")


def locks(settings: Settings) -> list[Path]:
    """Return what is in the folder of locks."""
    folder = settings.data_dir / "locks"
    return list(folder.iterdir()) if folder.exists() else []


def elsewhere(settings: Settings, *, shared: bool) -> str:
    """Try to hold acme from another thread; return what is said, nothing if it works."""

    def attempt() -> str:
        try:
            with tenant_lock(ACME, "moved", data_dir=settings.data_dir, shared=shared, wait=0):
                return ""
        except TenantLockedError as error:
            return str(error)

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(attempt).result()


@pytest.mark.parametrize(
    ("held", "wanted", "works"),
    [
        pytest.param(False, False, False, id="alone, alone"),
        pytest.param(False, True, False, id="alone, shared"),
        pytest.param(True, False, False, id="shared, alone"),
        pytest.param(True, True, True, id="shared, shared"),
    ],
)
def test_who_keeps_whom_away(settings: Settings, *, held: bool, wanted: bool, works: bool) -> None:
    """Only those who share get along; the others are told what is done, by whom and since when."""
    with tenant_lock(ACME, "restored", data_dir=settings.data_dir, shared=held):
        said = elsewhere(settings, shared=wanted)
        assert (said == "") is works
        if said:
            assert said.startswith(
                f"Tenant 'acme' is being restored by process {os.getpid()} since"
            )
            assert said.endswith("UTC. Try again when that has ended.")
    assert elsewhere(settings, shared=False) == ""
    assert locks(settings) == []


def test_a_neighbour_is_kept_from_nothing(settings: Settings) -> None:
    """A lock is one tenant's."""
    with (
        tenant_lock(ACME, "restored", data_dir=settings.data_dir),
        tenant_lock(a_tenant("globex"), "restored", data_dir=settings.data_dir, wait=0),
    ):
        assert len(locks(settings)) == 2


def test_what_a_holder_does_is_part_of_it(settings: Settings) -> None:
    """A deletion exports: the operation inside another one neither waits for it nor ends it."""
    with tenant_lock(ACME, "deleted", data_dir=settings.data_dir):
        with tenant_lock(ACME, "exported", data_dir=settings.data_dir, shared=True, wait=0):
            pass
        assert "deleted" in elsewhere(settings, shared=True)


def test_the_end_of_another_operation_is_waited_for(settings: Settings) -> None:
    """Who comes a moment too early is let in a moment later."""
    with ThreadPoolExecutor(1) as threads:
        with tenant_lock(ACME, "restored", data_dir=settings.data_dir):
            later = threads.submit(elsewhere_waiting, settings)
            eventually(later.running)
        assert later.result(30)


def elsewhere_waiting(settings: Settings) -> bool:
    """Hold acme, however long that takes."""
    with tenant_lock(ACME, "moved", data_dir=settings.data_dir, wait=30):
        return True


def test_many_take_turns(settings: Settings) -> None:
    """However they come and go, there is never more than one, and at the end no file."""
    inside: list[int] = []

    def work(number: int) -> None:
        for _ in range(25):
            with tenant_lock(ACME, "moved", data_dir=settings.data_dir, wait=60):
                inside.append(number)
                assert inside == [number]
                inside.pop()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(4)))
    assert locks(settings) == []


def test_a_killed_holder_holds_nothing(settings: Settings) -> None:
    """Kill -9: the lock is free at once, and its file goes with the next holder."""
    child = os.fork()
    if not child:
        with tenant_lock(ACME, "restored", data_dir=settings.data_dir):
            os.kill(os.getpid(), signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert len(locks(settings)) == 1
    with tenant_lock(ACME, "moved", data_dir=settings.data_dir, wait=0):
        assert "moved" in elsewhere(settings, shared=True)
    assert locks(settings) == []


def test_an_unreadable_note_is_no_trouble(settings: Settings) -> None:
    """Whatever is in the file, the answer is a sentence."""
    with tenant_lock(ACME, "restored", data_dir=settings.data_dir):
        for text in ("", "[]", "\0" * 10, '{"doing"'):
            locks(settings)[0].write_text(text)
            said = elsewhere(settings, shared=True)
            assert said == "Tenant 'acme' is being worked on. Try again when that has ended."


def test_what_was_interrupted_comes_first(settings: Settings) -> None:
    """Half of a tenant's data may be another one's: that is told with the command that ends it."""
    check_finished(ACME, settings.data_dir)
    journal = restore_journal(ACME, settings.data_dir)
    journal.parent.mkdir(parents=True)
    journal.touch()
    with pytest.raises(UnfinishedError, match="Run `tenantry restore acme` first") as caught:
        check_finished(ACME, settings.data_dir)
    assert str(copy(caught.value)) == str(caught.value)

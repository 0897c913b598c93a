"""The thread of a worker that keeps databases standing by for new tenants.

All workers have one; whichever looks first does what is to be done, and the others let it.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from tenantry.lifecycle.standby import fill_standbys

if TYPE_CHECKING:
    from tenantry.catalog import Catalog
    from tenantry.factory import Factory
    from tenantry.settings import Settings

log = logging.getLogger(__name__)

PAUSE_SECONDS = 5.0
"""Between two looks; each is one small query of the catalog."""


class StandbyKeeper:
    """Fills up what new tenants have taken, until it is told to stop."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        factory: Factory,
        settings: Settings,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._catalog = catalog
        self._factory = factory
        self._settings = settings
        self._pause_seconds = pause_seconds
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, if any are wanted. Call it in the process that serves."""
        if self._settings.standby and self._factory.migrations is not None:
            self._thread = threading.Thread(target=self._run, name="standby", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Begin nothing more, and wait for what is begun."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._pause_seconds):
            try:
                fill_standbys(
                    self._catalog, self._factory, settings=self._settings, step=self._go_on
                )
            except _StoppedError:
                return
            except Exception:
                log.exception("keeping databases that stand by failed")

    def _go_on(self) -> None:
        if self._stopping.is_set():
            raise _StoppedError


class _StoppedError(Exception):
    """The worker ends. What was begun is finished or dropped by the next one who looks."""

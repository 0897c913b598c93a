"""Visitors who keep coming while something happens to the server."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from tests.live.wire import DEADLINE, Answer

if TYPE_CHECKING:
    from collections.abc import Callable


AT_ONCE = 2
"""Requests of one site at a time that are never refused. A client may ask again while the worker still
ends its request before, so two clients take up to four places, and a worker has three for one site."""


class Load:
    """Threads that make requests until the block ends, and what came of each.

    :param request: Makes one request. An ``OSError`` counts as a request without an answer.
    """

    def __init__(self, request: Callable[[], Answer], *, threads: int = 4) -> None:
        self._request = request
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, name=f"visitor-{n}", daemon=True)
            for n in range(threads)
        ]
        self.answers: list[Answer] = []
        self.failures: list[OSError] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def end(self) -> None:
        """Tell the visitors that this request is their last."""
        self._stopping.set()

    def stop(self) -> None:
        """Let every visitor finish the request it is at."""
        self.end()
        for thread in self._threads:
            thread.join(DEADLINE)
            assert not thread.is_alive(), f"{thread.name} still waits for an answer"

    @property
    def count(self) -> int:
        """How many requests have come to an end."""
        return len(self.answers) + len(self.failures)

    @property
    def statuses(self) -> set[int]:
        """Every status that was seen."""
        with self._lock:
            return {answer.status for answer in self.answers}

    @property
    def workers(self) -> set[str]:
        """Every worker that has answered."""
        with self._lock:
            return {answer.worker for answer in self.answers}

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                answer = self._request()
            except OSError as error:
                with self._lock:
                    self.failures.append(error)
                continue
            with self._lock:
                self.answers.append(answer)


def together(task: Callable[[int], Answer], count: int) -> list[Answer]:
    """Run *task* so many times at the same moment and return the answers."""
    answers: list[Answer] = []
    problems: list[BaseException] = []
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            barrier.wait(DEADLINE)
            answers.append(task(number))
        except BaseException as error:  # noqa: BLE001 - raised again where the test sees it
            problems.append(error)

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE * 2)
    if problems:
        raise problems[0]
    assert len(answers) == count
    return answers


def wake_all(ask: Callable[[], Answer], *, workers: int = 2) -> set[str]:
    """Ask until so many workers have answered; return their words."""
    seen: set[str] = set()
    while len(seen) < workers:
        seen |= {answer.worker for answer in together(lambda _: ask(), AT_ONCE)}
    return seen

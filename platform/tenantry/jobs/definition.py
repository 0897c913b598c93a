"""What a job is: a function with a name, and how often, how long and where it may run."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from tenantry.errors import BadJobError, UnknownJobError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Place = Literal["app", "site", "platform"]
"""Where a job runs: in its tenant's app; for its site, without the app; or beside all tenants."""

NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
MAX_NAME = 80


class JobOptions(TypedDict, total=False):
    """How a job may run."""

    attempts: int
    """How often it is tried, in all. A worker that dies does not count."""
    backoff: float
    """Seconds before the second attempt. Each further pause is twice as long, an hour at most."""
    seconds: float
    """How long an attempt may take."""
    deadline: float | None
    """Seconds after it was enqueued until it must have begun; ``None`` sets no deadline."""
    cancellable: bool
    """Whether it may be cancelled while it runs: it calls ``check()`` where it may stop."""
    place: Place


@dataclass(frozen=True, slots=True)
class JobDefinition:
    """A job's name, function and options; see :func:`job`. Calling it calls the function."""

    name: str
    function: Callable[..., Any]
    attempts: int = 5
    backoff: float = 10.0
    seconds: float = 3600.0
    deadline: float | None = None
    cancellable: bool = False
    place: Place = "app"

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call the function, as a test does."""
        return self.function(*arguments, **named)

    @property
    def needs_site(self) -> bool:
        """Whether it runs only while its tenant is active and not quiet."""
        return self.place != "platform"

    def check_arguments(self, arguments: Mapping[str, Any]) -> None:
        """Refuse arguments that its function does not take, or that are not JSON.

        :raises BadJobError: They are not.
        """
        try:
            inspect.signature(self.function).bind(None, **arguments)
        except TypeError as error:
            raise BadJobError(self.name, f"its arguments do not fit, {error}") from error
        try:
            json.dumps(arguments, allow_nan=False)
        except (TypeError, ValueError) as error:
            problem = f"its arguments are not JSON ({error}); pass ids and texts, not objects"
            raise BadJobError(self.name, problem) from error


def job(name: str, **options: Unpack[JobOptions]) -> Callable[[Callable[..., Any]], JobDefinition]:
    """Define a job: work that a worker does later, and again if the worker dies.

    .. code-block:: python

        @job("newsletter.send", attempts=3, cancellable=True)
        def send_newsletter(run, post_id):
            for done, reader in enumerate(readers()):
                run.progress(done)
                send(reader, post_id)

        JOBS = (send_newsletter,)

    The function gets the run (:class:`JobRun`) and its own arguments, which are JSON. It may run more
    than once: it has to find out what is done already. The platform knows it by the tuple ``JOBS``
    beside the factory.

    :param name: Lower-case words with dots between them, as ``newsletter.send``.
    :raises BadJobError: The name or an option cannot be.
    """
    if not NAME.fullmatch(name) or len(name) > MAX_NAME:
        problem = "a name has lower-case letters, digits and underscores, with dots between words"
        raise BadJobError(name, f"{problem}, and {MAX_NAME} characters at most")
    for option in ("attempts", "seconds"):
        if options.get(option, 1) <= 0:  # type: ignore[operator]
            raise BadJobError(name, f"{option}={options.get(option)} must be above 0")

    def define(function: Callable[..., Any]) -> JobDefinition:
        return JobDefinition(name, function, **options)

    return define


class JobDefinitions:
    """The jobs that a process knows, by name.

    :param groups: Of the platform, of its apps, of the factory.
    :raises BadJobError: Two have the same name, or something is no definition.
    """

    def __init__(self, *groups: Iterable[JobDefinition]) -> None:
        self._known: dict[str, JobDefinition] = {}
        for definition in (one for group in groups for one in group):
            if not isinstance(definition, JobDefinition):
                raise BadJobError(repr(definition), "it is no job; decorate it with @job(name)")
            if self._known.setdefault(definition.name, definition) is not definition:
                raise BadJobError(definition.name, "it is defined twice; give one another name")

    def __iter__(self) -> Iterator[JobDefinition]:
        return iter(self._known.values())

    def get(self, name: str) -> JobDefinition:
        """Return the job of this name.

        :raises UnknownJobError: There is none.
        """
        if name not in self._known:
            raise UnknownJobError(name, tuple(sorted(self._known)))
        return self._known[name]

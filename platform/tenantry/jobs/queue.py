"""Asks for jobs by their names."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tenantry.catalog.values import NewJob
from tenantry.errors import BadJobError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tenantry.catalog.jobs import Jobs
    from tenantry.catalog.values import Actor, Job
    from tenantry.jobs.definition import JobDefinitions

MAX_KEY = 200


class JobQueue:
    """The catalog's queue, with the definitions of what may be put there.

    :param jobs: The catalog's.
    """

    def __init__(self, jobs: Jobs, definitions: JobDefinitions) -> None:
        self.jobs = jobs
        self.definitions = definitions

    def enqueue(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        tenant_id: str | None = None,
        key: str | None = None,
        due_at: datetime | None = None,
        by: Actor,
    ) -> Job:
        """Add a job; one of the same name, tenant and key is returned as it is.

        :param tenant_id: Whose job it is; ``None`` is the platform's.
        :param due_at: When it may start; by default now.
        :raises UnknownJobError: Nothing defines it.
        :raises BadJobError: The arguments do not fit, or it needs a tenant.
        :raises JobQueueFullError: Too many jobs of the tenant wait.
        """
        new = self.prepare(name, arguments, tenant_id=tenant_id, key=key, due_at=due_at)
        return self.jobs.add(new, by=by)[0]

    def prepare(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        tenant_id: str | None = None,
        key: str | None = None,
        due_at: datetime | None = None,
    ) -> NewJob:
        """Return what :meth:`enqueue` would add."""
        definition = self.definitions.get(name)
        definition.check_arguments(arguments)
        if definition.place == "app" and tenant_id is None:
            raise BadJobError(name, "it runs in a tenant's app, so it must belong to a tenant")
        if key is not None and not 0 < len(key) <= MAX_KEY:
            raise BadJobError(name, f"its key has {len(key)} characters, not 1 to {MAX_KEY}")
        begin = due_at or self.jobs.clock()
        limit = definition.deadline
        return NewJob(
            name=name,
            arguments=arguments,
            tenant_id=tenant_id,
            needs_site=definition.needs_site and tenant_id is not None,
            key=key,
            due_at=due_at,
            deadline_at=None if limit is None else begin + timedelta(seconds=limit),
            max_attempts=definition.attempts,
            cancellable=definition.cancellable,
        )

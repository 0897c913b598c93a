"""Jobs: work that is recorded in the catalog and done by workers of its own."""

from tenantry.jobs.definition import JobDefinition, JobDefinitions, job
from tenantry.jobs.queue import JobQueue
from tenantry.jobs.run import JobRefused, JobRun
from tenantry.jobs.worker import JobWorker

__all__ = [
    "JobDefinition",
    "JobDefinitions",
    "JobQueue",
    "JobRefused",
    "JobRun",
    "JobWorker",
    "job",
]

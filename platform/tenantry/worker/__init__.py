"""The parts of a worker beside its requests: server, scheduler, warm-up, logs, status socket.

It is the platform's only way to look inside a worker. Nothing that a visitor sends reaches it: the
folder is closed to every other user of the machine, and no host name leads there.
"""

from tenantry.worker.client import Survey, ask_workers, survey
from tenantry.worker.figures import Failure, Figures, Worker
from tenantry.worker.reporter import Reporter

__all__ = ["Failure", "Figures", "Reporter", "Survey", "Worker", "ask_workers", "survey"]

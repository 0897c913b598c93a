"""What needs an operator's attention, each with the page where it is put right."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from flask import url_for

from backend_app.all_backups import oldest
from backend_app.context import backend, catalog, operations
from backend_app.doctor import read_findings
from backend_app.operations import find_url
from backend_app.workers import find_failing_slugs
from tenantry.catalog import COUNTED, BackupFilter, HostState, JobState
from tenantry.catalog.models import now
from tenantry.doctor import Severity
from tenantry.domains.certificate_expiry import read_expiries
from tenantry.errors import HistoryError
from tenantry.lifecycle.offered import OPERATIONS
from tenantry.lifecycle.platform_checks import NEARLY_FULL
from tenantry.migrations import load_history
from tenantry.values.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONG_PENDING = timedelta(days=3)
CERTIFICATE_WARNING = timedelta(days=14)
"""It should have been renewed two weeks before that."""
MOST_NAMED = 10
"""Sites that a sentence names."""


@dataclass(frozen=True, slots=True)
class Concern:
    """Something to be put right."""

    text: str
    remedy: str
    """What the link to the remedy says."""
    url: str
    slugs: Sequence[str] = ()
    detail: str = ""
    is_urgent: bool = True
    """Whether visitors notice it now."""

    @property
    def named(self) -> Sequence[str]:
        """The sites that are named."""
        return self.slugs[:MOST_NAMED]

    @property
    def has_more(self) -> bool:
        """Whether not all sites are named."""
        return len(self.slugs) > MOST_NAMED


@dataclass(frozen=True, slots=True)
class Attention:
    """All concerns, the urgent ones first."""

    concerns: Sequence[Concern] = field(default_factory=tuple)
    is_complete: bool = True
    """Whether each site's database could be looked for."""


def find_concerns() -> Attention:
    """Return what needs attention now. Each look is one indexed read, or remembered for a moment."""
    lost = backend().lost_sites.find(operations())
    found = [
        *_find_failing(),
        *_name_lost(lost.slugs),
        *(_tell_server(problem) for problem in lost.problems),
        *_find_lost_hosts(),
        *_find_waiting_hosts(),
        *_find_ending_certificates(),
        *_find_doctors_findings(),
        *_find_nearly_full(),
        *_find_bad_backups(),
        *_find_pending_migrations(),
        *_find_failed_jobs(),
        *_find_failing_webhooks(),
    ]
    found.sort(key=lambda concern: not concern.is_urgent)
    return Attention(found, lost.is_complete)


def _find_failing() -> Iterator[Concern]:
    if slugs := find_failing_slugs():
        text = f"{_sites(len(slugs))} could not be built"
        yield Concern(text, "See why, and when it is tried again", url_for("workers.index"), slugs)


def _name_lost(slugs: Sequence[str]) -> Iterator[Concern]:
    if slugs:
        text = f"{_sites(len(slugs))} {'has' if len(slugs) == 1 else 'have'} no database"
        url = url_for("tenants.show", slug=slugs[0])
        detail = "Visitors are asked to come back later. A restore from the newest backup helps."
        yield Concern(text, f"Open {slugs[0]} to restore it", url, slugs, detail)


def _tell_server(problem: str) -> Concern:
    text = "The sites on a server cannot be checked"
    return Concern(text, "See the workers", url_for("workers.index"), detail=problem)


def _find_lost_hosts() -> Iterator[Concern]:
    hosts = catalog().hosts.list_in(HostState.LOST, limit=MOST_NAMED + 1)
    if hosts:
        count = f"More than {MOST_NAMED}" if len(hosts) > MOST_NAMED else str(len(hosts))
        text = f"{count} {'domain is' if len(hosts) == 1 else 'domains are'} not served any more"
        detail = f"Their DNS records are wrong: {', '.join(host.name for host in hosts)}."
        slugs = sorted({host.tenant_slug for host in hosts})
        url = url_for("tenants.show", slug=slugs[0])
        yield Concern(text, f"Open {slugs[0]}", url, slugs, detail)


def _find_waiting_hosts() -> Iterator[Concern]:
    hosts = catalog().hosts.list_waiting(now() - LONG_PENDING, limit=MOST_NAMED + 1)
    if hosts:
        count = f"More than {MOST_NAMED}" if len(hosts) > MOST_NAMED else str(len(hosts))
        many = "domain waits for its" if len(hosts) == 1 else "domains wait for their"
        text = f"{count} {many} proof"
        names = ", ".join(host.name for host in hosts[:MOST_NAMED])
        detail = f"Since more than {LONG_PENDING.days} days: {names}."
        slugs = sorted({host.tenant_slug for host in hosts})
        url = url_for("all_domains.index", state=HostState.PENDING.value)
        yield Concern(text, "See the domains, and check them", url, slugs, detail, is_urgent=False)


def _find_ending_certificates() -> Iterator[Concern]:
    soon = now() + CERTIFICATE_WARNING
    ending = [
        one
        for one in read_expiries(backend().settings.certificate_expiry)
        if one.at is None or one.at < soon
    ]
    if ending:
        many = "1 domain has" if len(ending) == 1 else f"{len(ending):,} domains have"
        text = f"{many} no certificate, or one that ends within {CERTIFICATE_WARNING.days} days"
        names = ", ".join(one.host for one in ending[:MOST_NAMED])
        detail = f"“tenantry certificates” could not renew it on this node: {names}."
        url = url_for("all_domains.index", search=ending[0].host)
        is_over = any(one.at is None or one.at < now() for one in ending)
        yield Concern(text, f"See {ending[0].host}", url, (), detail, is_urgent=is_over)


def _find_doctors_findings() -> Iterator[Concern]:
    findings = read_findings()[1]
    unsafe = sum(one.severity is Severity.UNSAFE for one in findings)
    if unsafe or findings:
        count, kind = (unsafe, "unsafe thing") if unsafe else (len(findings), "warning")
        text = f"The doctor found {counted(count, kind)}"
        url = url_for("doctor.index")
        yield Concern(text, "See its findings, with their remedies", url, is_urgent=bool(unsafe))


def _find_nearly_full() -> Iterator[Concern]:
    done = catalog().jobs.list(name="platform.check_quotas", state=JobState.DONE, size=1).items
    count = done[0].result["nearly_full"] if done else 0
    if count:
        slugs = done[0].result["slugs"]
        has = "site uses" if count == 1 else "sites use"
        text = f"{count:,} {has} more than {NEARLY_FULL:.0%} of the room of the plan"
        url = find_url(OPERATIONS["plan"], slugs[0])
        detail = f"As measured at {done[0].created_at:%Y-%m-%d %H:%M} UTC."
        yield Concern(text, f"Change the plan of {slugs[0]}", url, slugs, detail, is_urgent=False)


def _find_pending_migrations() -> Iterator[Concern]:
    folder = backend().factory.migrations
    if folder is None:
        return
    try:
        head = load_history(folder).head
    except HistoryError as error:
        yield Concern(
            "The migrations cannot be read",
            "See the sites",
            url_for("tenants.index"),
            (),
            str(error),
        )
        return
    if behind := catalog().schemas.count_behind(head, most=COUNTED):
        many = f"More than {COUNTED:,} sites" if behind > COUNTED else _sites(behind)
        text = f"{many} {'is' if behind == 1 else 'are'} not at schema revision {head}"
        url = url_for("migrations.index")
        yield Concern(text, "See the migrations, and start one", url, is_urgent=False)


def _find_bad_backups() -> Iterator[Concern]:
    texts = {BackupFilter.DAMAGED: "a backup with a fault", BackupFilter.OLD: "no new backup"}
    for which, text in texts.items():
        if which is BackupFilter.OLD and backend().settings.backup_offset is None:
            continue
        slugs = catalog().backups.list_slugs(which, before=oldest(), limit=MOST_NAMED + 1)
        if slugs:
            count = f"More than {MOST_NAMED}" if len(slugs) > MOST_NAMED else str(len(slugs))
            have = "site has" if len(slugs) == 1 else "sites have"
            url = url_for("all_backups.index", show=which.value)
            sentence = f"{count} {have} {text}"
            yield Concern(sentence, "See the backups", url, slugs, is_urgent=False)


def _find_failed_jobs() -> Iterator[Concern]:
    failed = catalog().jobs.list(state=JobState.FAILED, size=1).total
    if failed:
        text = f"{failed} {'job' if failed == 1 else 'jobs'} failed"
        url = url_for("jobs.index", state=JobState.FAILED.value)
        yield Concern(text, "See them, and run them again", url, is_urgent=False)


def _find_failing_webhooks() -> Iterator[Concern]:
    if failing := catalog().webhooks.list_failing(limit=MOST_NAMED + 1):
        many = f"More than {MOST_NAMED}" if len(failing) > MOST_NAMED else str(len(failing))
        text = "A webhook fails" if len(failing) == 1 else f"{many} webhooks fail"
        url = url_for("webhooks.platform_show", webhook_id=failing[0].id)
        yield Concern(text, "See its messages", url, detail=failing[0].problem, is_urgent=False)


def _sites(count: int) -> str:
    return f"{count} {'site' if count == 1 else 'sites'}"

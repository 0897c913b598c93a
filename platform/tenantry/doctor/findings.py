"""Findings: the values that an examination reports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Severity(StrEnum):
    """How bad a finding is."""

    UNSAFE = "unsafe"
    """One tenant can reach another, or the server will fail. The command exits with 1."""

    WARNING = "warning"
    """Worth a look; nothing breaks by it."""

    OK = "ok"
    """Looked at and in order."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    severity: Severity
    check: str
    """Which look it was, as ``"shared state"``; see docs/doctor.md."""

    subject: str
    """What it is about, by its name in the code or on the disk: ``shop.views._cache (dict)``."""

    sentence: str
    remedy: str = ""

    @property
    def name(self) -> str:
        """The subject without its kind: what ``--allow`` takes."""
        return self.subject.partition(" ")[0]

    def to_json(self) -> dict[str, str]:
        """Return the finding as JSON values."""
        return {
            "severity": str(self.severity),
            "check": self.check,
            "subject": self.subject,
            "sentence": self.sentence,
            "remedy": self.remedy,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Finding:
        """Return the finding that :meth:`to_json` made *values* of."""
        return cls(
            Severity(values["severity"]),
            str(values["check"]),
            str(values["subject"]),
            str(values["sentence"]),
            str(values["remedy"]),
        )


def unsafe(check: str, subject: str, sentence: str, remedy: str = "") -> Finding:
    """Return a finding that makes the platform unsafe."""
    return Finding(Severity.UNSAFE, check, subject, sentence, remedy)


def warning(check: str, subject: str, sentence: str, remedy: str = "") -> Finding:
    """Return a finding that is worth a look."""
    return Finding(Severity.WARNING, check, subject, sentence, remedy)


def fine(check: str, subject: str, sentence: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(Severity.OK, check, subject, sentence)


def allowing(findings: Iterable[Finding], names: Iterable[str]) -> list[Finding]:
    """Return *findings*, with those about *names* accepted by the operator."""
    allowed = frozenset(names)
    return [
        fine(found.check, found.subject, f"Allowed: {found.sentence}")
        if found.name in allowed
        else found
        for found in findings
    ]


def is_safe(findings: Iterable[Finding]) -> bool:
    """Say whether nothing of it is unsafe."""
    return all(found.severity is not Severity.UNSAFE for found in findings)

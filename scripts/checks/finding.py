"""What a check has to say."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One place that breaks one rule."""

    path: str
    """Relative to the repository's root."""
    line: int
    """0 where the whole file, or the file's absence, is meant."""
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}" if self.line else f"{self.path}: {self.message}"


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one check. It has passed when there are no findings."""

    findings: tuple[Finding, ...] = ()
    summary: str = ""
    """What was looked at, for the one line that a passing check prints."""
    output: str = field(default="", repr=False)
    """What a command printed that failed without naming places."""
    failed: bool = False
    """For commands: their exit status was not 0."""

    @property
    def passed(self) -> bool:
        return not self.findings and not self.failed

"""What `assay doctor` finds: one line each, and what to do about it."""

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct
from rich.console import Console
from rich.text import Text

SUBJECT_WIDTH = 18


class Level(StrEnum):
    """How bad it is. A `warn` works, but not as it should; a `fail` does not work."""

    ok = "ok"
    warn = "warn"
    fail = "fail"


COLOURS = {Level.ok: "green", Level.warn: "yellow", Level.fail: "bold red"}


class Finding(Struct, frozen=True):
    """One thing that was looked at: what was found, and what to do about it."""

    level: Level
    subject: str
    what: str
    advice: str = ""


def ok(subject: str, what: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(Level.ok, subject, what)


def warn(subject: str, what: str, advice: str) -> Finding:
    """Return a finding that something is not as it should be."""
    return Finding(Level.warn, subject, what, advice)


def fail(subject: str, what: str, advice: str) -> Finding:
    """Return a finding that something does not work."""
    return Finding(Level.fail, subject, what, advice)


def show_finding(console: Console, finding: Finding) -> None:
    """Show one finding as soon as it is there."""
    line = Text.assemble(
        (f"{finding.level:<5}", COLOURS[finding.level]),
        f"{finding.subject:<{SUBJECT_WIDTH}}",
        finding.what,
    )
    console.print(line, soft_wrap=True)
    if finding.advice:
        console.print(Text(f"{'':<5}{'':<{SUBJECT_WIDTH}}-> {finding.advice}"), soft_wrap=True)


def worst(findings: Iterable[Finding]) -> Level:
    """Return the worst level of `findings`."""
    found = {finding.level for finding in findings}
    return next((level for level in (Level.fail, Level.warn) if level in found), Level.ok)

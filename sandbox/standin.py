"""What every stand-in consists of: its words, its magic inputs, its limit and its handlers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.limits import Left, Limit, Refusal
from sandbox.message import Reply, Request

Conclusion = Literal["CONFIRMED", "REFUTED", "DOUBTFUL", "UNDECIDED"]


@dataclass(frozen=True, slots=True)
class MagicInput:
    """A value whose answer is documented.

    `value` is what a client sends as its `kind`; `answer` is the service's own word for what
    comes back; `conclusion` is what a correct reader of the service makes of it.
    """

    service: str
    kind: str
    value: str
    answer: str
    conclusion: Conclusion
    meaning: str


Path = tuple[str, ...]
Answering = Callable[[Request], Reply]
Command = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Drift:
    """Where an answer (or one item of a bulk answer) can drift from its contract.

    `decides` is the field that the reading hangs on, `unknown_word` a word that no contract
    has for it (or for `word_at`), `other_type` the same field in another type, `echo` the fields
    that repeat the value asked and `foreign` a value that nobody asked for. `inside` names the
    field that holds an answer about one value.
    """

    decides: Path
    unknown_word: Any
    other_type: Any
    echo: tuple[Path, ...]
    foreign: Any
    word_at: Path | None = None
    inside: str | None = None


def no_values(_: Request) -> list[str]:
    """Return that a request asks for no value."""
    return []


def anybody(_: Request) -> str | None:
    """Return the one account of a service without keys."""
    return ""


def no_partition(_: Request) -> str:
    """Return the one partition of a service without partitions."""
    return ""


@dataclass(frozen=True, slots=True)
class StandIn:
    """One service as its clients see it.

    `mounts` are the first path segments it answers under, each with its limit; `paths` are the
    beginnings of its paths, under which calls are counted; `values` reads the values asked,
    exactly as received; `account` says whose limit a call counts against (None: nobody's);
    `error` gives the service's own body for a status; `faults` are its own failures by name;
    `commands` what `/_control/{mount}/{command}` can change; `reset` undoes those.
    """

    name: str
    mounts: Mapping[str, Limit]
    handle: Answering
    error: Callable[[int], Reply]
    drift: Drift
    paths: Sequence[str]
    values: Callable[[Request], Sequence[str]] = no_values
    account: Callable[[Request], str | None] = anybody
    partition: Callable[[Request], str] = no_partition
    refuse: Callable[[Refusal], Reply] | None = None
    quota_headers: Callable[[Left], tuple[tuple[str, str], ...]] | None = None
    faults: Mapping[str, Answering] = field(default_factory=dict[str, Answering])
    commands: Mapping[str, Command] = field(default_factory=dict[str, Command])
    reset: Callable[[], None] = lambda: None

    def path_of(self, request: Request) -> str:
        """Return the beginning of the path, without any value."""
        for path in self.paths:
            if request.path.startswith(path):
                return path
        return "elsewhere"

"""What a run over a file came to."""

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct, field

STATUSES = ("VALID", "RISKY", "INVALID", "UNKNOWN")
PROBLEMS_SHOWN_MAX = 20


class Tally(Struct):
    """Counts of a run.

    `records` were validated, `nothing` had nothing to validate, `unreadable` could not be read;
    `retryable` are UNKNOWN for a reason that asking again may mend. `line` is the last one that
    is done.
    """

    records: int = 0
    nothing: int = 0
    blank: int = 0
    unreadable: int = 0
    retryable: int = 0
    line: int = 0
    problems: list[str] = field(default_factory=list[str])
    statuses: Counter[str] = field(default_factory=Counter[str])
    by_field: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    unknown_because: Counter[str] = field(default_factory=Counter[str])
    usage: Counter[str] = field(default_factory=Counter[str])
    cost: Decimal = Decimal(0)
    seconds: float = 0.0

    @property
    def rows(self) -> int:
        """Rows that the results hold."""
        return self.records + self.nothing

    def problem(self, line: int, why: str) -> None:
        """Count a row that can't be read."""
        self.unreadable += 1
        if len(self.problems) < PROBLEMS_SHOWN_MAX:
            self.problems.append(f"line {line} {why}")

    def result(self, result: Mapping[str, Any], fields: Sequence[str]) -> None:
        """Count the result of a record."""
        self.records += 1
        self.statuses[result["status"]] += 1
        mendable = False
        for name in fields:
            verdict = result.get(name)
            if verdict is None:
                continue
            self.by_field.setdefault(name, Counter())[verdict["status"]] += 1
            if verdict["status"] == "UNKNOWN":
                for reason in verdict["reasons"]:
                    self.unknown_because[reason["code"]] += 1
                    mendable |= reason["retryable"]
        self.retryable += mendable

    def spent(self, usage: Mapping[str, Any]) -> None:
        """Add what one call of `validate` took."""
        for name, value in usage.items():
            if name == "cost":
                self.cost += Decimal(str(value))
            else:
                self.usage[name] += value

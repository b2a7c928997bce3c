"""Outcomes kept in this process: bounded, oldest out first."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from cache.bounded import Bounded
from verdicts.outcome import Outcome

KEPT_MAX = 50_000


class Recent:
    """The newest outcomes of one (kind, check) by canonical value."""

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        """Keep at most `kept_max` outcomes."""
        self._kept: Bounded[str, Outcome] = Bounded(kept_max)

    def __len__(self) -> int:
        return len(self._kept)

    def recall(
        self, values: Iterable[str], now: datetime, not_before: datetime | None
    ) -> tuple[dict[str, Outcome], list[str]]:
        """Return what is known and fresh of `values`, and those that are missing."""
        known: dict[str, Outcome] = {}
        missing: list[str] = []
        values = list(values)
        for value, outcome in zip(values, self._kept.get_all(values), strict=True):
            if outcome is None:
                missing.append(value)
            elif outcome.expires_at is None or outcome.expires_at <= now:
                self._kept.drop(value)
                missing.append(value)
            elif not is_recent(outcome, not_before):
                missing.append(value)
            else:
                known[value] = outcome
        return known, missing

    def remember(self, outcomes: Mapping[str, Outcome]) -> None:
        """Keep all `outcomes` by their values; the oldest go when there are too many."""
        self._kept.put_all(outcomes)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()


def is_recent(outcome: Outcome, not_before: datetime | None) -> bool:
    """Return whether `outcome` was found at `not_before` or later; None asks nothing."""
    return not_before is None or (outcome.found_at is not None and outcome.found_at >= not_before)

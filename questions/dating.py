"""From what a provider found to an outcome: since when it is known, how long, at what cost."""

from collections.abc import Mapping
from datetime import UTC, datetime

from cache.freshness import Freshness
from verdicts.outcome import Found, Outcome


class Dating:
    """Dates what is found for one check."""

    def __init__(self, check: str, freshness: Freshness) -> None:
        """Let outcomes of `check` last as `freshness` says."""
        self._check = check
        self._freshness = freshness

    def outcomes(
        self, found: Mapping[str, Found], provider: str | None, millionths: int
    ) -> dict[str, Outcome]:
        """Return the outcome of each value, found now; `millionths` is what each has cost.

        Values of which the same was found share it.
        """
        found_at = datetime.now(UTC)
        made: dict[int, Outcome] = {}
        outcomes: dict[str, Outcome] = {}
        for value, one in found.items():
            outcome = made.get(id(one))
            if outcome is None:
                outcome = made[id(one)] = Outcome(
                    self._check,
                    one.conclusion,
                    found_at,
                    self._freshness.expiry(one, found_at),
                    one.reasons,
                    one.evidence,
                    provider,
                    millionths,
                    one.voices,
                )
            outcomes[value] = outcome
        return outcomes

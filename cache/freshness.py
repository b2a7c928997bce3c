"""How long an outcome may be kept. Pure."""

from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from verdicts.outcome import CONFIRMED, DOUBTFUL, REFUTED, UNDECIDED, Conclusion, Found
from verdicts.reason import Reason, ReasonCode

_DAY_S = 86_400.0
_NOTHING = timedelta()
_STOPPING = ReasonCode.STOPPING


class FreshnessSettings(BaseModel):
    """Seconds that an outcome is kept, by what it concluded. 0 keeps nothing of that sort."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    confirmed: float = Field(
        default=30 * _DAY_S, ge=0, description="Seconds a CONFIRMED one is kept."
    )
    refuted: float = Field(default=_DAY_S, ge=0, description="Seconds a REFUTED one is kept.")
    doubtful: float = Field(default=_DAY_S, ge=0, description="Seconds a DOUBTFUL one is kept.")
    undecided: float = Field(
        default=5.0,
        ge=0,
        le=300,
        description="Seconds an UNDECIDED one is kept: long enough to rest.",
    )


class Freshness:
    """The rule of one check."""

    def __init__(self, settings: FreshnessSettings) -> None:
        """Apply `settings`."""
        kept_s = {
            CONFIRMED: settings.confirmed,
            REFUTED: settings.refuted,
            DOUBTFUL: settings.doubtful,
            UNDECIDED: settings.undecided,
        }
        assert set(kept_s) == set(Conclusion), "every conclusion has its time"
        # by name: the members of an Enum are slow to hash, and this runs for every answer
        self._kept = {one.name: timedelta(seconds=seconds) for one, seconds in kept_s.items()}

    def expiry(self, found: Found, found_at: datetime) -> datetime | None:
        """Return until when `found` may be used, None when it is not to be kept.

        An UNDECIDED one that is not retryable (not configured, not covered) is never kept: a
        change of configuration must show at once. Nor is one of a process that stops: the others
        go on.
        """
        if found.conclusion is UNDECIDED:
            return self._until_asked_again(found, found_at)
        return self._usual(found, found_at)

    def _until_asked_again(self, found: Found, found_at: datetime) -> datetime | None:
        usual = self._usual(found, found_at)
        mendable = list(filter(_may_rest, found.reasons))
        if usual is None or not mendable:
            return None
        known = (one.retry_at for one in mendable if one.retry_at is not None)
        until = min(known, default=usual)
        return min(usual, until) if until > found_at else None

    def _usual(self, found: Found, found_at: datetime) -> datetime | None:
        kept = self._kept[found.conclusion._name_]
        if found.fresh_for_s is not None:
            kept = timedelta(seconds=min(kept.total_seconds(), found.fresh_for_s))
        return found_at + kept if kept > _NOTHING else None


def _may_rest(reason: Reason) -> bool:
    return reason.retryable and reason.code is not _STOPPING

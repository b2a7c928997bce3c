"""How long an outcome may be kept. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from verdicts.outcome import Conclusion, Found

_DAY_S = 86_400.0


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
        self._kept_s: Mapping[Conclusion, float] = {
            Conclusion.CONFIRMED: settings.confirmed,
            Conclusion.REFUTED: settings.refuted,
            Conclusion.DOUBTFUL: settings.doubtful,
            Conclusion.UNDECIDED: settings.undecided,
        }
        self._kept = {one: timedelta(seconds=kept_s) for one, kept_s in self._kept_s.items()}
        assert set(self._kept_s) == set(Conclusion), "every conclusion has its time"

    def expiry(self, found: Found, found_at: datetime) -> datetime | None:
        """Return until when `found` may be used, None when it is not to be kept.

        An UNDECIDED one that is not retryable (not configured, not covered) is never kept: a
        change of configuration must show at once.
        """
        kept_s = self._kept_s[found.conclusion]
        if found.conclusion is Conclusion.UNDECIDED and not any(
            reason.retryable for reason in found.reasons
        ):
            return None
        if found.fresh_for_s is not None:
            kept_s = min(kept_s, found.fresh_for_s)
            return found_at + timedelta(seconds=kept_s) if kept_s > 0 else None
        return found_at + self._kept[found.conclusion] if kept_s > 0 else None

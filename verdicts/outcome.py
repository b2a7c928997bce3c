"""What a check found, and what that is worth."""

from datetime import datetime
from decimal import Decimal
from enum import Enum

from msgspec import Struct

from verdicts.evidence import Evidence
from verdicts.reason import Reason

MILLION = 1_000_000


class Conclusion(Enum):
    """What a check can conclude about a value. UNDECIDED is about us, never about the value."""

    CONFIRMED = "CONFIRMED"
    REFUTED = "REFUTED"
    DOUBTFUL = "DOUBTFUL"
    UNDECIDED = "UNDECIDED"


CONFIRMED, REFUTED, DOUBTFUL, UNDECIDED = Conclusion
"""By themselves, for what runs for every value: CPython 3.11 is slow to find a member by class."""


class Voice(Struct, frozen=True, gc=False, array_like=True):
    """What one of several providers said of a value."""

    provider: str
    conclusion: Conclusion
    reasons: tuple[Reason, ...] = ()


class Found(Struct, frozen=True, gc=False):
    """What an exchange or a local check found about one value, before it is dated and priced.

    `fresh_for_s` bounds, in seconds, how long it may be kept, where the source says so itself
    (a DNS time to live, say); None leaves that to the settings. `voices` are those of the
    providers, where several were to agree.
    """

    conclusion: Conclusion
    reasons: tuple[Reason, ...] = ()
    evidence: Evidence | None = None
    fresh_for_s: float | None = None
    voices: tuple[Voice, ...] = ()


class Outcome(Struct, frozen=True, gc=False, array_like=True):
    """What one check found about one value: when, until when, from whom, at what cost.

    `provider` and `found_at` are None for a local check, which is made anew for each answer.
    `cost_millionths` are millionths of the gateway's currency: a whole number is quick to store.
    An outcome whose `expires_at` is None was never kept. `voices` are as in `Found`.
    """

    check: str
    conclusion: Conclusion
    found_at: datetime | None = None
    expires_at: datetime | None = None
    reasons: tuple[Reason, ...] = ()
    evidence: Evidence | None = None
    provider: str | None = None
    cost_millionths: int = 0
    voices: tuple[Voice, ...] = ()

    @property
    def cost(self) -> Decimal:
        """What it cost, in the gateway's currency."""
        return Decimal(self.cost_millionths) / MILLION

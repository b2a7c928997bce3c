"""What local checks say of a value, and what is decided of it in the end."""

from datetime import datetime
from typing import Generic, TypeVar

from msgspec import Struct

from verdicts.outcome import Outcome
from verdicts.reason import Reason
from verdicts.verdict import Source, Status

F = TypeVar("F")


class Examined(Struct, Generic[F], frozen=True, gc=False):
    """A value after its local checks.

    `input` is the value as sent, as one text. `canonical` is None when a local check refuted the
    value or a provider could not be asked about it: then nothing leaves the house. `facts` are
    what the kind's verdict shows without asking anybody, None when there are none.
    """

    input: str
    canonical: str | None
    outcomes: tuple[Outcome, ...]
    facts: F | None = None


class Decided(Struct, frozen=True, gc=False):
    """What the policy made of all outcomes of one value: the part that all verdicts share."""

    status: Status
    reasons: tuple[Reason, ...]
    outcomes: tuple[Outcome, ...]
    decided_at: datetime
    expires_at: datetime | None
    source: Source

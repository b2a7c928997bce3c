"""What is said of records whose chunk failed its workers too often: nobody asks any more."""

from collections.abc import Iterable

from questions.terms import Terms
from verdicts.outcome import UNDECIDED, Outcome
from verdicts.reason import ReasonCode, because


class GivingUp:
    """In the place of a desk: leaves every question of one check open, and says why."""

    def __init__(self, check: str) -> None:
        """Answer the questions of `check`."""
        reasons = (because(ReasonCode.GIVEN_UP, check, retryable=True),)
        self._outcome = Outcome(check, UNDECIDED, reasons=reasons)

    async def ask(self, values: Iterable[str], terms: Terms) -> dict[str, Outcome]:
        """Return the same for each of `values`."""
        del terms
        return dict.fromkeys(values, self._outcome)

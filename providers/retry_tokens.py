"""Retry tokens: a bound on how much of an account's calls may be repeats.

As the AWS SDKs have it since 2026: a repeat takes tokens, an answer gives one back, and an empty
bucket means that the failure is told at once. When everything fails, an account repeats some
thirty calls and no more, whatever the load.
"""

from verdicts.reason import ReasonCode

CAPACITY = 500
TRANSIENT_COSTS = 14
THROTTLED_COSTS = 5
"""A service that says "not now" is well, and has said when."""
ANSWER_GIVES = 1


class RetryTokens:
    """The tokens of one account in this process."""

    def __init__(self) -> None:
        """Begin full."""
        self.left = CAPACITY

    def spend(self, why: ReasonCode) -> bool:
        """Take what a repeat after `why` costs; False, and nothing taken, when it is not there."""
        cost = THROTTLED_COSTS if why is ReasonCode.RATE_LIMITED else TRANSIENT_COSTS
        if self.left < cost:
            return False
        self.left -= cost
        return True

    def earn(self) -> None:
        """Give back what one answer is worth."""
        self.left = min(CAPACITY, self.left + ANSWER_GIVES)

"""What a client may say of a batch: its name, its key, its priority, its cost cap. Pure."""

import re
from decimal import Decimal

from verdicts.outcome import MILLION

TEXT_MAX = 200
"""Characters of a name, and of an idempotency key."""
COST_CAP_MAX = Decimal(1_000_000_000)
PRIORITY_MAX = 100
NAME = f"1 to {TEXT_MAX} printable characters"
KEY = f"1 to {TEXT_MAX} printable ASCII characters, without spaces"
PRIORITY = f"a whole number from {-PRIORITY_MAX} to {PRIORITY_MAX}"
COST_CAP = f"an amount from 0 to {COST_CAP_MAX:,}, such as 12.50"
"""What each must be, in words."""
_KEY = re.compile(r"[!-~]+")


def is_name(text: str) -> bool:
    """Return whether a batch can be called `text`."""
    return 1 <= len(text) <= TEXT_MAX and text.isprintable()


def is_key(text: str) -> bool:
    """Return whether `text` can be an idempotency key: in a header, too."""
    return len(text) <= TEXT_MAX and _KEY.fullmatch(text) is not None


def is_priority(number: int) -> bool:
    """Return whether a batch can be given this priority."""
    return -PRIORITY_MAX <= number <= PRIORITY_MAX


def is_cost_cap(amount: Decimal) -> bool:
    """Return whether a batch can be given this cap."""
    return amount.is_finite() and 0 <= amount <= COST_CAP_MAX


def millionths(amount: Decimal) -> int:
    """Return `amount` as the store keeps it."""
    return int(amount * MILLION)

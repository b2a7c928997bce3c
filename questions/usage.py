"""What an operation asked for, and what it did not have to pay for."""

from collections.abc import Callable
from decimal import Decimal

from msgspec import Struct


class Usage(Struct):
    """Counts of one operation.

    `calls_made`: calls to providers that this operation opened. `values_asked`: values that those
    calls carried for it. `saved_by_*`: questions that no call was needed for, because a local
    check decided (`local_checks`), because the same question was already being asked by this or
    another request (`dedupe`), or because the outcome was known (`cache`). `cost`: of the calls
    made, in `currency`. `tell` hears of each cost at once, also after the operation was answered:
    asking outlasts its deadline.
    """

    records: int = 0
    calls_made: int = 0
    values_asked: int = 0
    saved_by_local_checks: int = 0
    saved_by_dedupe: int = 0
    saved_by_cache: int = 0
    cost: Decimal = Decimal(0)
    currency: str = ""
    tell: Callable[[Decimal], None] | None = None

    def charge(self, cost: Decimal) -> None:
        """Add `cost` of calls that this operation opened."""
        self.cost += cost
        if self.tell is not None:
            self.tell(cost)

"""What an operation asked for, and what it did not have to pay for."""

from decimal import Decimal

from msgspec import Struct


class Usage(Struct):
    """Counts of one operation.

    `calls_made`: calls to providers that this operation opened. `values_asked`: values that those
    calls carried for it. `saved_by_*`: questions that no call was needed for, because a local
    check decided (`local_checks`), because the same question was already being asked by this or
    another request (`dedupe`), or because the outcome was known (`cache`). `cost`: of the calls
    made, in `currency`.
    """

    records: int = 0
    calls_made: int = 0
    values_asked: int = 0
    saved_by_local_checks: int = 0
    saved_by_dedupe: int = 0
    saved_by_cache: int = 0
    cost: Decimal = Decimal(0)
    currency: str = ""

"""What a caller's allowance says to records and to cost."""

from decimal import Decimal

from access.allowance import Allowance, OverLimit
from access.errors import Exhausted
from batches.batch import Batch, State
from resolvers.context import Context
from verdicts.outcome import MILLION

_NOT_BEGUN = frozenset({State.DRAFT, State.CAPPED})


async def count_records(context: Context, count: int) -> None:
    """Count `count` records that are to be validated, now or in a batch.

    Raises:
        Exhausted: the caller has not so many left today; none is counted.
    """
    allowance = context.allowance
    if allowance is None:
        return
    try:
        await allowance.records(count)
    except OverLimit as over:
        raise Exhausted(
            f"These are {count} records, and of the {context.principal.limits.records_per_day} that"
            f" this key may send a day {allowance.left.records} are left. The day ends at midnight"
            " UTC.",
            over.retry_after_s,
        ) from None


async def afford(allowance: Allowance) -> None:
    """Return if the caller may still spend something today.

    Raises:
        Exhausted: it may not.
    """
    try:
        await allowance.afford()
    except OverLimit as over:
        raise Exhausted(
            "What this key may spend a day is spent. The day ends at midnight UTC; until then,"
            " ask for what is known locally.",
            over.retry_after_s,
        ) from None


async def reserve_cap(context: Context, batch: Batch, cap_millionths: int | None) -> int:
    """Count what `batch` takes of the caller's day when it may cost `cap_millionths`.

    The whole cap is taken at once: what a batch spends later, nobody is asked for. Return how much
    was counted, for `give_back` where nothing comes of it.

    Raises:
        Exhausted: it may cost more than the caller may still spend today; nothing is counted.
    """
    if context.allowance is None:
        return 0
    taken = 0 if batch.state in _NOT_BEGUN else batch.cost_cap_millionths or 0
    more = None if cap_millionths is None else max(0, cap_millionths - taken)
    left = await context.allowance.reserve(more)
    if left is not None:
        raise Exhausted(
            f"This key may spend {Decimal(left) / MILLION:f} {context.currency} more today, so what"
            " the batch may cost needs a bound: give it a costCap of that or less.",
            None,
        )
    return more or 0


async def give_back(context: Context, millionths: int) -> None:
    """Count as not spent what `reserve_cap` has counted."""
    if context.allowance is not None and millionths:
        await context.allowance.spend(-millionths)

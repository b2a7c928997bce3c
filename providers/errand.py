"""What a call is sent for, and what answering it took."""

from decimal import Decimal

from msgspec import Struct

from providers.priority import Turn


class Bill(Struct):
    """What answering some values took of `provider`: calls made, and their cost.

    `heard_out` says that a call was sent for them which may be charged and is not to be repeated.
    """

    provider: str
    calls: int = 0
    cost: Decimal = Decimal(0)
    heard_out: bool = False


class Errand(Struct, frozen=True, gc=False):
    """What the calls of one exchange are sent for.

    Until `deadline` (loop clock), on `bill`, at `turn`; `partition` is that of its values, where
    the service knows any.
    """

    deadline: float
    bill: Bill
    turn: Turn
    partition: str = ""

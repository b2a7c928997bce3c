"""A permit, and the bounds of the account that it is of."""

from typing import Protocol

from msgspec import Struct

from providers.rates import Rate

HORIZON_S = 0.1
CONCURRENCY = 1_000
TIMEOUT_S = 10.0


class Bounds(Struct, frozen=True):
    """An account's limits: windows, calls in flight, seconds of one call, a batch's horizon."""

    rates: tuple[Rate, ...] = ()
    concurrency: int = CONCURRENCY
    timeout_s: float = TIMEOUT_S
    horizon_s: float = HORIZON_S


class Issuer(Protocol):
    """Who issues permits and takes them back."""

    def ended(self, permit: "Permit", /) -> None:
        """Take note that the call of `permit` has ended."""
        ...

    def unused(self, permit: "Permit", /) -> None:
        """Take back `permit`, with which nothing was sent."""
        ...


class Permit:
    """A slot, and the right to send from `due` on (monotonic clock). It must be ended.

    Those that the windows do not count are one object, which is in as many hands as there are
    slots in use: each hand ends it once.
    """

    __slots__ = ("_issuer", "batch", "due", "number")

    def __init__(self, issuer: Issuer, number: int, due: float, *, batch: bool) -> None:
        """Be number `number` of `issuer`'s; nought when the windows do not count it.

        It is below nought when they count it without the shared store.
        """
        self._issuer = issuer
        self.number = number
        self.due = due
        self.batch = batch

    def end(self) -> None:
        """Say that the call has ended: the slot is free, and the windows count from now."""
        self._issuer.ended(self)

    def unused(self) -> None:
        """Give slot and permit back: nothing was sent."""
        self._issuer.unused(self)

"""For whom something is asked: how urgently, and whose turn it takes."""

from collections import deque
from collections.abc import Iterable, Sequence
from enum import Enum

from msgspec import Struct

TENANT = "default"
"""Who asks where nobody is named."""


class Priority(Enum):
    """How urgent a question is; the more urgent first."""

    INTERACTIVE = "INTERACTIVE"
    BATCH = "BATCH"


_BATCH = Priority.BATCH
"""Looked up once: each call of each record asks for it."""


class Asker:
    """Whose questions travel together, and how urgently.

    One value of a batch may become urgent while it waits, because somebody interactive asks the
    same question: `hurry` says so. It stays urgent on all its way, whoever is asked.
    """

    __slots__ = ("priority", "tenant", "urgent")

    def __init__(self, priority: Priority = Priority.INTERACTIVE, tenant: str = TENANT) -> None:
        """Ask for `tenant`."""
        self.priority = priority
        self.tenant = tenant
        self.urgent: set[str] = set()

    def hurry(self, value: str) -> None:
        """Let `value` go before what is not urgent."""
        self.urgent.add(value)

    def priority_of(self, values: Iterable[str]) -> Priority:
        """Return how urgent a call about `values` is."""
        if self.priority is Priority.BATCH and self.urgent.isdisjoint(values):
            return Priority.BATCH
        return Priority.INTERACTIVE

    def next_of(self, chunks: deque[Sequence[str]], gone: set[str]) -> Sequence[str]:
        """Take from `chunks` what goes next: the first, or the first with an urgent value.

        `gone` are urgent values that are in none of them, as was seen before; more are added.
        """
        if len(self.urgent) > len(gone):
            sought = self.urgent - gone
            for at, values in enumerate(chunks):
                if not sought.isdisjoint(values):
                    del chunks[at]
                    gone.update(sought.intersection(values))
                    return values
            gone |= sought
        return chunks.popleft()


class Turn(Struct, frozen=True, gc=False):
    """What a permit is for: a call about `values`, for `asker`."""

    asker: Asker
    values: Sequence[str] = ()

    @property
    def batch(self) -> bool:
        """Whether it is for a batch, and for nobody who is more urgent."""
        asker = self.asker
        return asker.priority is _BATCH and (
            not asker.urgent or asker.priority_of(self.values) is Priority.BATCH
        )

"""Everything that a resolver may touch, handed in by the composition root."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec import Struct

from access.allowance import Allowance
from access.principal import ANYBODY, Principal
from cache.first_use import FirstUses
from providers.daily import Daily
from providers.panel import Panel
from questions.judging import Judge
from resolvers.selection import NeedsPlanner
from verdicts.kind import Kind

if TYPE_CHECKING:
    from resolvers.batch_room import BatchRoom
    from resolvers.keys import KeyRoom


class SandboxInput(Struct, frozen=True):
    """A value that makes a stand-in answer in a certain way."""

    service: str
    kind: str
    value: str
    meaning: str


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Context:
    """What an operation works with.

    `rehearsal` judges with the sandbox's stand-ins alone, None when no sandbox runs. `panels` has
    the providers of each (kind, check), `daily` counts what they do. `deadline_ms` is that of a
    request which names none. `principal` is who asks, `allowance` how much it still
    may, None where nothing bounds that. `busy` tells whether new batch work is to wait. `room`
    returns what keeps batches, `key_room` what keeps keys; they raise StoreError while the store
    is not open. `first_uses` knows idempotency keys of what is kept nowhere else.
    """

    judge: Judge
    needs: NeedsPlanner
    rehearsal: Judge | None
    kinds: Sequence[Kind]
    panels: Mapping[tuple[str, str], Panel]
    daily: Daily
    sandbox_inputs: Sequence[SandboxInput]
    deadline_ms: int
    records_max: int
    calls_max: int
    currency: str
    principal: Principal = ANYBODY
    allowance: Allowance | None = None
    busy: Callable[[], bool] = _never
    room: "Callable[[], Awaitable[BatchRoom]] | None" = None
    key_room: "Callable[[], Awaitable[KeyRoom]] | None" = None
    first_uses: FirstUses | None = None

    @property
    def tenant(self) -> str:
        """For whom it works."""
        return self.principal.tenant

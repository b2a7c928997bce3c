"""Whose turn it is: which chunks are handed out next.

By priority; among equals the tenant that was served least, by start-time fair queueing: each turn
moves its tenant on by records over weight, and whoever comes back after a rest starts where the
others are, not where it left. Then the oldest batch of that tenant, and in it the first chunk.
"""

from collections import deque

from msgspec import Struct
from sqlalchemy import Integer, bindparam, func, literal_column, or_, select, update

from batches.batch import WORKED
from batches.chunk import ChunkRef, ChunkState
from batches.database import TURNS, Ready, Transaction
from batches.tables import batches, chunks, turns

BATCHES_LOOKED_AT_MAX = 200
"""Batches of one tenant and priority that one call considers, the oldest first."""
CLOCK = ""
"""Stands for a tenant in `turns`: how far the turns of a priority have come."""
_WORKED = sorted(state.value for state in WORKED)
_READY, _HINTED = ChunkState.READY.value, ChunkState.HINTED.value

_TURNS = Ready(select(turns.c.tenant, turns.c.priority, turns.c.served))
# not DISTINCT, for which SQLite would walk over all chunks in the order of their batches
_BUSY = Ready(select(chunks.c.batch).where(chunks.c.until > 0))
_OPEN = Ready(
    select(chunks.c.seq, chunks.c.records)
    .where(chunks.c.batch == bindparam("of"), chunks.c.state == literal_column("'READY'"))
    .order_by(chunks.c.seq)
    .limit(bindparam("most", type_=Integer))
)
_HINT = Ready(
    update(chunks)
    .where(
        chunks.c.batch == bindparam("of"),
        chunks.c.seq == bindparam("at"),
        chunks.c.state == _READY,
    )
    .values(state=_HINTED, until=bindparam("new_until"))
)


def _lined() -> Ready:
    """Return what finds the batches with open chunks, the oldest of each line first."""
    line = func.row_number().over(
        partition_by=(batches.c.tenant, batches.c.priority),
        order_by=(batches.c.created_at, batches.c.id),
    )
    # as the index has it, or it would not be used
    is_open = (
        select(chunks.c.seq)
        .where(chunks.c.batch == batches.c.id, chunks.c.state == literal_column("'READY'"))
        .exists()
    )
    ready = (batches.c.start_after.is_(None), batches.c.start_after <= bindparam("now"))
    columns = (batches.c.id, batches.c.tenant, batches.c.priority, batches.c.weight)
    lined = (
        select(*columns, line.label("place"))
        .where(or_(*(batches.c.state == state for state in _WORKED)), or_(*ready), is_open)
        .subquery()
    )
    few = select(lined).where(lined.c.place <= BATCHES_LOOKED_AT_MAX)
    return Ready(few.order_by(lined.c.place))


_WAITING = _lined()

Turn = tuple[str, int]
"""A tenant and a priority: who takes turns with others of the same priority."""


class _Waiting(Struct, frozen=True):
    """A batch that has open chunks. `idle`: nothing of it is HINTED or RUNNING."""

    id: str
    turn: Turn
    weight: float
    idle: bool


def next_chunks(transaction: Transaction, limit: int, beyond: int, hint_s: float) -> list[ChunkRef]:
    """Return the next chunks and mark them, as `Store.next_chunks` says."""
    transaction.hold(TURNS)
    waiting = _waiting(transaction)
    if not waiting:
        return []
    picking = _Picking(transaction)
    picking.in_turn(waiting, limit)
    picking.first_of_idle(waiting, beyond)
    picking.mark(transaction.now_ms + round(hint_s * 1000))
    return picking.picked


class _Picking:
    """Chunks that are being picked, and how far that moves the turns on."""

    def __init__(self, transaction: Transaction) -> None:
        self.picked: list[ChunkRef] = []
        self._transaction = transaction
        rows = transaction.run(_TURNS, {})
        self._served: dict[Turn, float] = {(one, priority): at for one, priority, at in rows}
        self._moved: set[Turn] = set()

    def in_turn(self, waiting: list[_Waiting], limit: int) -> None:
        """Pick up to `limit` chunks, the most urgent and least served first."""
        lines: dict[Turn, deque[_Waiting]] = {}
        for batch in waiting:
            lines.setdefault(batch.turn, deque()).append(batch)
        queued: dict[str, deque[tuple[int, int]]] = {}
        while lines and len(self.picked) < limit:
            turn = min(lines, key=self._rank)
            batch = lines[turn][0]
            if batch.id not in queued:
                queued[batch.id] = self._open(batch, limit - len(self.picked))
            if queued[batch.id]:
                self._pick(batch, *queued[batch.id].popleft())
            if not queued[batch.id]:
                lines[turn].popleft()
                if not lines[turn]:
                    del lines[turn]

    def first_of_idle(self, waiting: list[_Waiting], beyond: int) -> None:
        """Pick up to `beyond` more, one of each batch of which nothing is under way."""
        begun = {ref.batch for ref in self.picked}
        idle = [batch for batch in waiting if batch.idle and batch.id not in begun]
        for batch in sorted(idle, key=lambda one: self._rank(one.turn))[:beyond]:
            for seq, records in self._open(batch, 1):
                self._pick(batch, seq, records)

    def mark(self, until: int) -> None:
        """Mark what was picked, and write how far the turns are."""
        if not self.picked:
            return
        self._transaction.run(
            _HINT,
            [{"of": ref.batch, "at": ref.seq, "new_until": until} for ref in self.picked],
        )
        statement = self._transaction.insert(turns)
        self._transaction.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant", "priority"],
                set_={"served": statement.excluded.served},
            ),
            [
                {"tenant": tenant, "priority": priority, "served": self._served[tenant, priority]}
                for tenant, priority in sorted(self._moved)
            ],
        )

    def _rank(self, turn: Turn) -> tuple[int, float, str]:
        tenant, priority = turn
        return -priority, self._start(turn), tenant

    def _start(self, turn: Turn) -> float:
        """Return where a turn of this tenant starts: never before the turns that were taken."""
        clock = self._served.get((CLOCK, turn[1]), 0.0)
        return max(clock, self._served.get(turn, 0.0))

    def _pick(self, batch: _Waiting, seq: int, records: int) -> None:
        start, clock = self._start(batch.turn), (CLOCK, batch.turn[1])
        self._served[clock] = start
        self._served[batch.turn] = start + records / batch.weight
        self._moved |= {clock, batch.turn}
        self.picked.append(ChunkRef(batch.id, seq))

    def _open(self, batch: _Waiting, limit: int) -> deque[tuple[int, int]]:
        """Return open chunks of a batch, by their place and records, the first first."""
        rows = self._transaction.run(_OPEN, {"of": batch.id, "most": limit})
        return deque((seq, records) for seq, records in rows)


def _waiting(transaction: Transaction) -> list[_Waiting]:
    """Return the batches that have open chunks, the oldest of each tenant and priority first."""
    rows = transaction.run(_WAITING, {"now": transaction.now_ms})
    busy = {batch for (batch,) in transaction.run(_BUSY, {})} if rows else set[str]()
    return [
        _Waiting(id_, (tenant, priority), weight, id_ not in busy)
        for id_, tenant, priority, weight, _ in rows
    ]


def hinted(transaction: Transaction) -> int:
    """Return how many chunks are HINTED."""
    number = (
        select(func.count())
        .select_from(chunks)
        .where(chunks.c.until > 0, chunks.c.state == _HINTED)
    )
    return transaction.values(number)[0]

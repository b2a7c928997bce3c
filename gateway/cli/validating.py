"""A whole file through a gateway: chunk by chunk, several in flight, results in order."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from batches.source.mapping import ColumnMapping
from batches.source.objects import Given
from batches.source.table import Row, Unreadable
from gateway.cli.asking import Gateway
from gateway.cli.documents import validate_document
from gateway.cli.tally import Tally
from gateway.results_out import Output, Results

CHUNK_RECORDS_MAX = 250
"""Far below what a request may hold: results and progress flow, and a retry is cheap."""
CHUNK_CHARACTERS_MAX = 4_000_000
"""Of the records of one chunk, so that its request stays below what a gateway takes."""
CHUNKS_IN_FLIGHT_MAX = 4
PATIENCE_S = 15.0
"""How much longer than its deadline a gateway may take to answer."""


class Plan(Struct, frozen=True):
    """How a file is validated.

    `mapping` turns rows into records (None where they are records already); `options` are those
    of the API; `deadline_s` is of each request; `declared` is what some verdicts have to show
    beyond what is built in.
    """

    mapping: ColumnMapping | None
    fields: Sequence[str]
    full: bool
    deadline_s: float
    options: Mapping[str, Any]
    declared: Mapping[str, str] = {}


class Taken(Struct):
    """A row as it was given, and the record that it makes; None when there is nothing in it."""

    line: int
    given: Sequence[str] | Mapping[str, Any]
    record: dict[str, Any] | None


async def validate_rows(
    rows: Iterable[Row | Given | Unreadable],
    plan: Plan,
    gateway: Gateway,
    results: Results,
    output: Output,
    tally: Tally,
    moved: Callable[[], None],
) -> None:
    """Validate all `rows`, write their results in their order, count them in `tally`.

    `moved` is called whenever there is progress to show. Reading and writing happen in a thread.

    Raises:
        CommandError: the gateway does not answer, or refuses.
        OSError: results can't be written.
    """
    document = validate_document(plan.fields, full=plan.full, declared=plan.declared)
    chunks = _chunks(rows, plan.mapping, tally)
    in_flight: deque[tuple[list[Taken], asyncio.Task[dict[str, Any]]]] = deque()
    await asyncio.to_thread(output.write, results.head())
    try:
        while True:
            chunk = await asyncio.to_thread(next, chunks, None)
            if chunk is not None:
                task = asyncio.create_task(_ask(chunk, document, plan, gateway))
                in_flight.append((chunk, task))
            elif not in_flight:
                return
            if chunk is None or len(in_flight) >= CHUNKS_IN_FLIGHT_MAX:
                oldest, task = in_flight[0]
                answer = await task
                await asyncio.to_thread(_write, oldest, answer, plan, results, output, tally)
                in_flight.popleft()
                moved()
    finally:
        for _, task in in_flight:
            task.cancel()
        await asyncio.gather(*(task for _, task in in_flight), return_exceptions=True)


async def _ask(
    chunk: Sequence[Taken], document: str, plan: Plan, gateway: Gateway
) -> dict[str, Any]:
    records = [taken.record for taken in chunk if taken.record is not None]
    if not records:
        return {"results": [], "usage": {}}
    options = {"deadlineMs": round(plan.deadline_s * 1000), **plan.options}
    variables = {"records": records, "options": options}
    data = await gateway.ask(document, variables, plan.deadline_s + PATIENCE_S)
    return data["validate"]


def _chunks(
    rows: Iterable[Row | Given | Unreadable], mapping: ColumnMapping | None, tally: Tally
) -> Iterator[list[Taken]]:
    chunk: list[Taken] = []
    characters = 0
    for row in rows:
        if isinstance(row, Unreadable):
            tally.problem(row.line, row.why)
            continue
        if isinstance(row, Given):
            record = row.record if row.record.keys() - {"ref"} else {}
            chunk.append(Taken(row.line, row.whole, record or None))
            characters += len(str(record)) + sum(map(len, row.carried.values()))
        else:
            assert mapping is not None, "rows of a table have a mapping"
            chunk.append(Taken(row.line, row.cells, mapping.record(row.cells) or None))
            characters += sum(map(len, row.cells))
        if len(chunk) >= CHUNK_RECORDS_MAX or characters >= CHUNK_CHARACTERS_MAX:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _write(
    chunk: Sequence[Taken],
    answer: Mapping[str, Any],
    plan: Plan,
    results: Results,
    output: Output,
    tally: Tally,
) -> None:
    found = iter(answer["results"])
    written: list[bytes] = []
    for taken in chunk:
        result = next(found) if taken.record is not None else None
        written.append(results.written(taken.line, taken.given, result))
        if result is None:
            tally.nothing += 1
        else:
            tally.result(result, plan.fields)
    tally.spent(answer["usage"])
    tally.line = chunk[-1].line
    output.write(b"".join(written))

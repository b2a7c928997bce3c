"""A batch is followed by its API: full snapshots that never go back, results each once."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from msgspec import Struct

from batches.batch import Batch, Move
from batches.opening import open_store
from batches.settings import StoreSettings
from batches.store import Store
from providers.priority import TENANT
from schema.lane.response import Response
from tests.assay_process import Living, living, sections
from tests.batches.worked import claimed, started
from tests.waiting import WAIT_S
from verdicts.verdict import Status

STATUS = """subscription S($id: ID!) { batchStatus(id: $id) {
  id version state pauseReason retryAt records recordsDone rowErrors
  statuses { status records } kinds { kind status verdicts } reasons { kind code verdicts }
  callsMade callsSaved cost currency ratePerSecond eta startedAt finishedAt updatedAt
} }"""
RESULTS = """subscription R($id: ID!, $after: String) { batchResults(id: $id, after: $after) {
  ref index status email { input status source } verdicts { kind status }
} }"""


class House(Struct):
    """Assay, and a worker elsewhere."""

    assay: Living
    store: Store

    def follow(self, query: str, **variables: object) -> AsyncGenerator[Response]:
        """Subscribe."""
        return self.assay.schema.answers(query, variables, None, self.assay.assembly.context)

    async def all_of(self, query: str, **variables: object) -> list[Response]:
        """Return everything that a subscription tells."""
        async with asyncio.timeout(WAIT_S):
            return [one async for one in self.follow(query, **variables)]


@asynccontextmanager
async def house(valkey_url: str, folder: Path) -> AsyncGenerator[House]:
    file = folder / "batches.db"
    given = sections(None, valkey_url, store={"url": f"sqlite:///{file}"})
    async with living(given) as assay:
        assay.assembly.batches.start(working=False)
        store = await open_store(StoreSettings(), file)
        try:
            yield House(assay, store)
        finally:
            await store.close()


async def worked(at: House, batch: Batch) -> None:
    """Decide three records of four, then the last."""
    work = await claimed(at.store, batch.id)
    await work.flush([2])
    await work.flush([0, 1], Status.RISKY)
    await work.finish()


async def test_snapshots_are_whole_never_go_back_and_the_last_one_says_how_it_ended(
    valkey_url: str, tmp_path: Path
) -> None:
    async with house(valkey_url, tmp_path) as at:
        batch = await started(at.store, 4)
        answers: list[Response] = []
        async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as tasks:
            async for answer in at.follow(STATUS, id=batch.id):
                if not answers:  # it is seen before anything is done
                    tasks.create_task(worked(at, batch))
                answers.append(answer)
        assert [one.errors for one in answers] == [None] * len(answers)
        told: list[dict[str, Any]] = [(one.data or {})["batchStatus"] for one in answers]
        assert told[0]["state"] == "QUEUED"
        assert all(one["version"] < two["version"] for one, two in pairwise(told))
        last = told[-1]
        assert (last["state"], last["records"], last["recordsDone"]) == ("COMPLETED", 4, 4)
        assert {"status": "VALID", "records": 2} in last["statuses"]
        assert {"kind": "email", "status": "RISKY", "verdicts": 2} in last["kinds"]
        assert (last["callsMade"], last["callsSaved"], last["cost"]) == (3, 2, "0.003")
        assert last["finishedAt"] is not None
        assert at.assay.schema.statistics.fast == 1
        assert at.assay.schema.newest_only(STATUS, None)
        late = await at.all_of(STATUS, id=batch.id)
        assert [(one.data or {})["batchStatus"] for one in late] == [last]


async def test_results_come_once_each_and_go_on_behind_a_cursor(
    valkey_url: str, tmp_path: Path
) -> None:
    async with house(valkey_url, tmp_path) as at:
        batch = await started(at.store, 4)
        await worked(at, batch)
        answers = await at.all_of(RESULTS, id=batch.id)
        results: list[dict[str, Any]] = [(one.data or {})["batchResults"] for one in answers]
        assert [one["index"] for one in results] == [2, 0, 1, 3]
        assert results[0] == {
            "ref": "2",
            "index": 2,
            "status": "VALID",
            "email": {
                "input": "person.2@example.com",
                "status": "VALID",
                "source": "PROVIDER",
            },
            "verdicts": [{"kind": "email", "status": "VALID"}],
        }
        assert at.assay.schema.statistics.fast == 1
        assert not at.assay.schema.newest_only(RESULTS, None)
        for number, answer in enumerate(answers, 1):
            rest = await at.all_of(RESULTS, id=batch.id, after=answer.cursor)
            assert [one.data for one in rest] == [one.data for one in answers[number:]]
            resumed = at.assay.schema.answers(
                RESULTS,
                {"id": batch.id},
                None,
                at.assay.assembly.context,
                extensions={"lastEventId": answer.cursor},
            )
            assert [one.data async for one in resumed] == [one.data for one in rest]


async def test_what_a_directive_leaves_to_the_stock_executor_is_told_all_the_same(
    valkey_url: str, tmp_path: Path
) -> None:
    query = """subscription ($id: ID!, $with: Boolean!) {
      batchResults(id: $id) { index email @include(if: $with) { input } } }"""
    async with house(valkey_url, tmp_path) as at:
        batch = await started(at.store, 1)
        await (await claimed(at.store, batch.id)).finish()
        (one,) = await at.all_of(query, id=batch.id, **{"with": True})
        assert one.data == {
            "batchResults": {"index": 0, "email": {"input": "person.0@example.com"}}
        }
        assert at.assay.schema.statistics.stock == 1


async def test_what_cannot_be_followed_is_told_with_a_code(valkey_url: str, tmp_path: Path) -> None:
    async with house(valkey_url, tmp_path) as at:
        batch = await started(at.store, 1)
        other = await started(at.store, 1, tenant="other")
        asked = [
            (STATUS, {"id": "none"}, "NOT_FOUND"),
            (STATUS, {"id": other.id}, "NOT_FOUND"),
            (RESULTS, {"id": other.id}, "NOT_FOUND"),
            (RESULTS, {"id": batch.id, "after": "x"}, "BAD_CURSOR"),
        ]
        said: list[object] = []
        for query, variables, code in asked:
            (one,) = await at.all_of(query, **variables)
            assert (one.data, one.stopped) == (None, None)
            assert one.errors is not None
            assert one.errors[0]["extensions"] == {"code": code}
            said.append(one.errors)
        assert said[0] == said[1]


async def test_whoever_follows_is_told_when_the_batch_is_deleted(
    valkey_url: str, tmp_path: Path
) -> None:
    async with house(valkey_url, tmp_path) as at:
        batch = await started(at.store, 1)
        following = at.follow(STATUS, id=batch.id)
        async with aclosing(following), asyncio.timeout(WAIT_S):
            assert (await anext(following)).errors is None
            await at.store.move(TENANT, batch.id, Move.PAUSE)
            await at.store.delete(TENANT, batch.id)
            told = [one async for one in following]
        assert told[-1].errors is not None
        assert told[-1].errors[0]["extensions"] == {"code": "NOT_FOUND"}

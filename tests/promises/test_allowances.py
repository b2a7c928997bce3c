"""A key asks no more than it may, whichever way; and is told how much that is."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import orjson
import pytest

from access.key import Limits
from batches.batch import State
from tests.promises.guarded import JSON, OURS, Guarded, bearer, guarded
from tests.sandbox_process import RunningSandbox
from tests.waiting import WAIT_S

pytestmark = pytest.mark.usefixtures("quick_door")

VALIDATE = "mutation ($records: [RecordInput!]!) { validate(records: $records) { SELECTED } }"
LOCAL = VALIDATE.replace("SELECTED", "results { email { normalized } }")
PAID = VALIDATE.replace("SELECTED", "results { status } usage { cost }")
CREATE = """mutation ($input: CreateBatchInput!) {
  createBatch(input: $input) { batch { id status { state } } errors { code message } }
}"""
CHANGE = """mutation ($id: ID!, $input: ChangeBatchInput!) {
  changeBatch(batchId: $id, input: $input) { errors { code } }
}"""


@pytest.fixture
async def house(
    tmp_path: Path, valkey_url: str, sandbox: RunningSandbox
) -> AsyncGenerator[Guarded]:
    """Run a gateway whose mailbox service takes a cent a value."""
    free: list[str] = []
    price = {"zerobounce": {"service": "zerobounce", "price": "0.01", "rates": free}}
    async with guarded(tmp_path, valkey_url, sandbox=sandbox, providers=price) as found:
        yield found


def records(count: int, mark: str = "") -> dict[str, object]:
    return {"records": [{"email": f"user{n}{mark}@example.com"} for n in range(count)]}


async def test_too_many_requests_are_told_when_to_come_again(house: Guarded) -> None:
    key = await house.key(limits=Limits(requests_per_second=3))
    statuses: list[int] = []
    for _ in range(12):
        async with house.session.post(
            house.url("/graphql"),
            data=orjson.dumps({"query": "{ kinds { name } }"}),
            headers=JSON | bearer(key),
        ) as answer:
            statuses.append(answer.status)
            told = orjson.loads(await answer.read())
            assert answer.headers["ratelimit-policy"] == '"requests";q=3;w=1'
            assert answer.headers["ratelimit"].startswith('"requests";r=')
            if answer.status == 429:
                assert answer.headers["retry-after"] == "1"
                assert told["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
                assert "3 times a second" in told["errors"][0]["message"]
    assert {200, 429} == set(statuses)
    path = f"/batches/{'0' * 32}/results.csv"
    async with house.session.get(house.url(path), headers=bearer(key)) as answer:
        assert answer.status == 429


async def test_records_are_counted_however_they_come(house: Guarded) -> None:
    key = await house.key(limits=Limits(records_per_day=100))
    assert (await house.post(key, LOCAL, records(60)))[1]["data"]["validate"]["results"]
    refused = (await house.post(key, LOCAL, records(41)))[1]["errors"][0]
    assert refused["extensions"]["code"] == "QUOTA_EXHAUSTED"
    assert "41 records" in refused["message"]
    assert "40 are left" in refused["message"]
    made = (await house.post(key, CREATE, {"input": records(41)}))[1]["data"]["createBatch"]
    assert [error["code"] for error in made["errors"]] == ["QUOTA_EXHAUSTED"]
    made = (await house.post(key, CREATE, {"input": records(30)}))[1]["data"]["createBatch"]
    assert made["errors"] == []
    body = b"email\n" + b"\n".join(b"user%d@example.com" % n for n in range(11))
    headers = bearer(key) | {"Content-Type": "text/csv"}
    async with house.session.post(house.url("/batches"), data=body, headers=headers) as answer:
        told = orjson.loads(await answer.read())
        assert answer.status == 429, told
        assert told["errors"][0]["extensions"]["code"] == "QUOTA_EXHAUSTED"
        assert int(answer.headers["retry-after"]) <= 86_400
    assert (await house.post(key, LOCAL, records(10)))[1]["data"]["validate"]["results"]


async def test_what_is_asked_on_after_a_deadline_is_spent_too(
    house: Guarded, sandbox: RunningSandbox
) -> None:
    await sandbox.latency("zerobounce", 400)
    key = await house.key(limits=Limits(cost_per_day_millionths=25_000))
    hurried = records(3, "late")
    document = PAID.replace("records: $records", "records: $records, options: {deadlineMs: 50}", 1)
    said = (await house.post(key, document, hurried))[1]["data"]["validate"]
    assert said["usage"]["cost"] == "0"
    await sandbox.latency("zerobounce", 0)
    async with asyncio.timeout(WAIT_S):
        while True:
            _, told = await house.post(key, PAID, records(1, "c"))
            if "errors" in told:
                break
            await asyncio.sleep(0.1)
    assert told["errors"][0]["extensions"]["code"] == "QUOTA_EXHAUSTED"


async def test_who_has_spent_what_a_day_allows_is_refused(house: Guarded) -> None:
    key = await house.key(limits=Limits(cost_per_day_millionths=50_000))
    said = (await house.post(key, PAID, records(3)))[1]["data"]["validate"]
    assert said["usage"]["cost"] == "0.03"
    # what costs nothing is no spending
    assert (await house.post(key, PAID, records(3)))[1]["data"]["validate"]["usage"]["cost"] == "0"
    assert (await house.post(key, PAID, records(4, "b")))[1]["data"]["validate"]
    _, told = await house.post(key, PAID, records(1, "c"))
    assert told["errors"][0]["extensions"]["code"] == "QUOTA_EXHAUSTED"
    # what costs nothing goes on
    assert (await house.post(key, LOCAL, records(1, "c")))[1]["data"]["validate"]["results"]
    assert (await house.post(key, "{ batches { nodes { id } } }"))[1]["data"]


async def test_a_batch_takes_its_cap_of_the_day(house: Guarded) -> None:
    key = await house.key(limits=Limits(cost_per_day_millionths=1_000_000))

    async def create(**more: object) -> dict[str, object]:
        wish = {"input": {**records(2), "start": True, **more}}
        found = (await house.post(key, CREATE, wish))[1]["data"]["createBatch"]
        return {**(found["batch"] or {}), "codes": [error["code"] for error in found["errors"]]}

    assert (await create())["codes"] == ["QUOTA_EXHAUSTED"]
    assert (await create(costCap="1.01"))["codes"] == ["QUOTA_EXHAUSTED"]
    made = await create(costCap="0.60")
    assert made["codes"] == []
    assert (await create(costCap="0.60"))["codes"] == ["QUOTA_EXHAUSTED"]
    for cap, codes in (("1.01", ["QUOTA_EXHAUSTED"]), ("1.00", []), (None, ["QUOTA_EXHAUSTED"])):
        said = await house.post(key, CHANGE, {"id": made["id"], "input": {"costCap": cap}})
        found = [error["code"] for error in said[1]["data"]["changeBatch"]["errors"]]
        assert found == codes, cap
    assert (await create(costCap="0.01"))["codes"] == ["QUOTA_EXHAUSTED"]
    (started,) = [
        batch
        for batch in (await house.store.batches(OURS, 10)).batches
        if batch.state is not State.DRAFT
    ]
    assert started.cost_cap_millionths == 1_000_000


async def test_a_file_takes_its_cap_of_the_day(house: Guarded) -> None:
    key = await house.key(limits=Limits(cost_per_day_millionths=1_000_000))
    headers = bearer(key) | {"Content-Type": "text/csv"}
    for cap, wanted in ((None, 429), ("1.01", 429), ("0.60", 201), ("0.60", 429)):
        query = "?start=true" + ("" if cap is None else f"&costCap={cap}")
        async with house.session.post(
            house.url(f"/batches{query}"), data=b"email\nada@example.com\n", headers=headers
        ) as answer:
            assert answer.status == wanted, (cap, await answer.read())


async def test_what_would_take_too_many_calls_is_refused_before_any(
    tmp_path: Path, valkey_url: str, sandbox: RunningSandbox
) -> None:
    """The selection decides: what is local costs nothing, however many records there are."""
    few = {"calls_max": 20, "sandbox": True}
    where = {"sandbox_url": sandbox.http, "sandbox_dns": sandbox.dns}
    async with guarded(tmp_path, valkey_url, sandbox=sandbox, gateway=few | where) as house:
        key = await house.key()
        assert (await house.post(key, LOCAL, records(1_000)))[1]["data"]
        refused = (await house.post(key, PAID, records(11)))[1]["errors"][0]
        assert refused["extensions"]["code"] == "COST_TOO_HIGH"
        assert "22 calls to providers; one request may take 20" in refused["message"]
        assert await sandbox.values_asked("zerobounce") == []
        assert (await house.post(key, PAID, records(10)))[1]["data"]

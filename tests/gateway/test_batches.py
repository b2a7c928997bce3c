"""Batches by the API, from their making to their end, with real providers' stand-ins behind it."""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from batches.batch import Batch
from batches.errors import BrokerError
from batches.estimate import Estimate, Estimator
from gateway import batch_assembly
from gateway.app import app_of
from resolvers import batches
from resolvers.max_age import MAX_AGE_S_MAX
from schema.scalars import parse_duration
from tests.assay_process import Living, Record, living
from tests.gateway.http_client import served

WAIT_S = 60.0
SEEN = """batch { id name priority costCap startAfter webhook maxAge sandbox createdAt
  mapping { column fields guessed }
  status { state records recordsDone version statuses { status records } callsMade callsSaved } }
  errors { code message field }"""
RESULTS = """query ($id: ID!, $first: Int!, $after: String, $statuses: [VerdictStatus!],
    $kinds: [String!], $reasons: [ReasonCode!]) {
  batch(id: $id) { results(first: $first, after: $after, statuses: $statuses, kinds: $kinds,
    reasons: $reasons) { edges { cursor node { ref index status } }
    pageInfo { hasNextPage endCursor } } } }"""
RECORDS: list[Record] = [
    *({"ref": f"e{at}", "email": f"valid+{at}@example.com"} for at in range(6)),
    {"ref": "bad", "email": "a@@b"},
    {"ref": "vat", "vatNumber": "FR88100000009"},
]


@asynccontextmanager
async def house(folder: Path, *, working: bool = True, **sections: Any) -> AsyncGenerator[Living]:  # noqa: ANN401, JSON
    gateway = {"data_dir": str(folder), "sandbox": True, "log_level": "WARNING"}
    prices = {"providers": {"zerobounce": {"service": "zerobounce", "price": "0.01"}}}
    usual: dict[str, Any] = {"gateway": gateway, "redis": {"timeout_ms": 3000}, **prices}
    async with living({**usual, **sections}) as assay:
        assay.assembly.batches.start(working=working)
        yield assay


async def change(assay: Living, name: str, arguments: str, **variables: object) -> Any:  # noqa: ANN401, JSON
    declared = ", ".join(f"${key}: {TYPES[key]}" for key in variables)
    head = f"mutation ({declared})" if declared else "mutation"
    answer = await assay.ask(f"{head} {{ {name}{arguments} {{ {SEEN} }} }}", variables)
    assert "errors" not in answer, answer
    return answer["data"][name]


TYPES = {
    "id": "ID!",
    "records": "[RecordInput!]!",
    "input": "CreateBatchInput!",
    "change": "ChangeBatchInput!",
}


async def created(assay: Living, **wish: object) -> Any:  # noqa: ANN401, JSON
    return await change(assay, "createBatch", "(input: $input)", input=wish)


async def to_its_end(assay: Living, batch_id: str) -> str:
    async with asyncio.timeout(WAIT_S):
        while True:
            answer = await assay.ask(
                "query ($id: ID!) { batch(id: $id) { status { state } } }", {"id": batch_id}
            )
            state: str = answer["data"]["batch"]["status"]["state"]
            if state in {"COMPLETED", "CANCELLED", "FAILED"}:
                return state
            await asyncio.sleep(0.05)


def codes(payload: Any) -> list[str]:  # noqa: ANN401, JSON
    return [error["code"] for error in payload["errors"]]


async def test_a_batch_from_its_making_to_its_end(tmp_path: Path) -> None:
    async with house(tmp_path) as assay:
        made = await created(assay, name="spring", records=RECORDS[:3], priority=5)
        batch_id = made["batch"]["id"]
        assert (made["batch"]["status"]["state"], made["errors"]) == ("DRAFT", [])
        more = {"id": batch_id, "records": RECORDS[3:]}
        added = await change(
            assay, "addRecords", "(batchId: $id, records: $records, after: 3)", **more
        )
        assert codes(added) == []
        again = await change(
            assay, "addRecords", "(batchId: $id, records: $records, after: 3)", **more
        )
        assert codes(again) == ["OUT_OF_STEP"], "and nothing is added twice"
        started = await change(assay, "startBatch", "(batchId: $id)", id=batch_id)
        assert started["batch"]["status"]["records"] == len(RECORDS)
        assert await to_its_end(assay, batch_id) == "COMPLETED"
        late = await change(
            assay, "addRecords", "(batchId: $id, records: $records)", id=batch_id, records=RECORDS
        )
        assert codes(late) == ["NOT_A_DRAFT"]

        async def page(**arguments: object) -> Any:  # noqa: ANN401, JSON
            answer = await assay.ask(RESULTS, {"id": batch_id, "first": 100, **arguments})
            assert "errors" not in answer, answer
            return answer["data"]["batch"]["results"]

        whole = await page()
        assert [edge["node"]["ref"] for edge in whole["edges"]] == [one["ref"] for one in RECORDS]
        assert [edge["node"]["index"] for edge in whole["edges"]] == list(range(len(RECORDS)))
        first = await page(first=3)
        assert first["pageInfo"]["hasNextPage"]
        rest = await page(after=first["pageInfo"]["endCursor"])
        assert first["edges"] + rest["edges"] == whole["edges"]
        assert not rest["pageInfo"]["hasNextPage"]
        assert [edge["node"]["ref"] for edge in (await page(kinds=["vatNumber"]))["edges"]] == [
            "vat"
        ]
        assert [edge["node"]["ref"] for edge in (await page(reasons=["MALFORMED"]))["edges"]] == [
            "bad"
        ]
        invalid = [e["node"] for e in whole["edges"] if e["node"]["status"] == "INVALID"]
        assert "bad" in [one["ref"] for one in invalid]
        assert [e["node"] for e in (await page(statuses=["INVALID"]))["edges"]] == invalid
        gone = await assay.ask(
            "mutation ($id: ID!) { deleteBatch(batchId: $id) { errors { code } } }",
            {"id": batch_id},
        )
        assert gone["data"]["deleteBatch"]["errors"] == []
        again = await change(assay, "startBatch", "(batchId: $id)", id=batch_id)
        assert codes(again) == ["NOT_FOUND"]


async def test_a_broker_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    async with house(tmp_path, batches={"broker": "no_such_module:Broker"}) as assay:
        batches = assay.assembly.batches
        with pytest.raises(BrokerError, match="no_such_module"):
            await batches.opened()
        assert "no_such_module" in (batches.away or "")


async def test_one_key_makes_one_batch(tmp_path: Path) -> None:
    async with house(tmp_path, working=False) as assay:
        wish = {"name": "one", "records": RECORDS, "idempotencyKey": "k"}
        payloads = await asyncio.gather(*(created(assay, **wish) for _ in range(20)))
        assert len({one["batch"]["id"] for one in payloads}) == 1
        other = await created(assay, **{**wish, "name": "two"})
        assert codes(other) == ["KEY_USED"]


async def test_an_estimate_asks_nobody_and_a_cap_below_it_holds(tmp_path: Path) -> None:
    async with house(tmp_path) as assay:
        emails = [*RECORDS[:7], RECORDS[0]]
        made = await created(assay, records=emails, costCap="0.03")
        batch_id = made["batch"]["id"]
        query = """query ($id: ID!) { batch(id: $id) { estimate { records lookedAt decidedLocally
          duplicates known calls cost seconds providers { provider questions cost } } } }"""
        estimate = (await assay.ask(query, {"id": batch_id}))["data"]["batch"]["estimate"]
        assert (estimate["records"], estimate["lookedAt"]) == (8, 8)
        assert estimate["decidedLocally"] == 1
        assert estimate["known"] == 0
        by_provider = {one["provider"]: one for one in estimate["providers"]}
        assert by_provider["zerobounce"]["questions"] == 6
        assert float(estimate["cost"]) == pytest.approx(0.06)
        started = await change(assay, "startBatch", "(batchId: $id)", id=batch_id)
        assert codes(started) == ["COST_CAP"]
        assert started["batch"]["status"]["state"] == "CAPPED"
        raised = await change(
            assay,
            "changeBatch",
            "(batchId: $id, input: $change)",
            id=batch_id,
            change={"costCap": "0.5"},
        )
        assert raised["batch"]["status"]["state"] == "CAPPED"
        assert (await change(assay, "startBatch", "(batchId: $id)", id=batch_id))["errors"] == []
        assert await to_its_end(assay, batch_id) == "COMPLETED"
        known = (await assay.ask(query, {"id": batch_id}))["data"]["batch"]["estimate"]
        assert (known["records"], known["calls"]) == (0, 0)
        twin = await created(assay, records=emails)
        again = (await assay.ask(query, {"id": twin["batch"]["id"]}))["data"]["batch"]["estimate"]
        assert (again["calls"], float(again["cost"])) == (0, 0.0)
        assert again["known"] > 0


async def test_pause_resume_and_cancel_follow_the_moves(tmp_path: Path) -> None:
    async with house(tmp_path, working=False) as assay:
        batch_id = (await created(assay, records=RECORDS, start=True))["batch"]["id"]
        for verb, state in (
            ("pauseBatch", "PAUSED"),
            ("resumeBatch", "QUEUED"),
            ("cancelBatch", "CANCELLED"),
        ):
            payload = await change(assay, verb, "(batchId: $id)", id=batch_id)
            assert payload["batch"]["status"]["state"] == state
        assert codes(await change(assay, "resumeBatch", "(batchId: $id)", id=batch_id)) == [
            "NOT_NOW"
        ]
        assert codes(await change(assay, "retryBatch", "(batchId: $id)", id=batch_id)) == [
            "NOT_NOW"
        ]
        keyed = '(batchId: $id, idempotencyKey: "two words")'
        assert codes(await change(assay, "retryBatch", keyed, id=batch_id)) == ["BAD_INPUT"]


@pytest.mark.parametrize(
    "wish, code, field",
    [
        ({"records": [{"ref": "x"}]}, "EMPTY_RECORD", "records"),
        ({"records": [{"email": "a@b.example"}] * 1001}, "TOO_MANY_RECORDS", "records"),
        ({"name": "x" * 201}, "BAD_INPUT", "name"),
        ({"idempotencyKey": ""}, "BAD_INPUT", "idempotencyKey"),
        ({"priority": 101}, "BAD_INPUT", "priority"),
        ({"costCap": "-1"}, "BAD_INPUT", "costCap"),
        ({"costCap": "NaN"}, "BAD_INPUT", "costCap"),
        ({"costCap": "Infinity"}, "BAD_INPUT", "costCap"),
        ({"name": "a\0b"}, "BAD_INPUT", "name"),
        ({"idempotencyKey": "a\nb"}, "BAD_INPUT", "idempotencyKey"),
        ({"webhook": "https://example.com/hook"}, "WEBHOOKS_OFF", "webhook"),
    ],
)
async def test_what_can_be_acted_on_is_told(
    wish: dict[str, object], code: str, field: str | None, tmp_path: Path
) -> None:
    async with house(tmp_path, working=False) as assay:
        payload = await created(assay, **wish)
        (error,) = payload["errors"]
        assert (payload["batch"], error["code"], error["field"]) == (None, code, field)
        assert error["message"].endswith(".")


async def test_what_is_made_and_not_started_is_returned_each_time(tmp_path: Path) -> None:
    async with house(tmp_path, working=False) as assay:
        wish = {"records": RECORDS, "costCap": "0.01", "start": True, "idempotencyKey": "k"}
        first = await created(assay, **wish)
        assert (codes(first), first["batch"]["status"]["state"]) == (["COST_CAP"], "CAPPED")
        assert await created(assay, **wish) == first
        empty = await created(assay, start=True)
        assert (codes(empty), empty["batch"]["status"]["state"]) == (["NOT_NOW"], "DRAFT")
        answer = await assay.ask("{ batches(first: 10) { nodes { id } } }")
        nodes = answer["data"]["batches"]["nodes"]
        assert {one["id"] for one in nodes} == {first["batch"]["id"], empty["batch"]["id"]}


async def test_what_a_batch_would_cost_and_cannot_be_told_leaves_a_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(self: Estimator, batch: Batch) -> Estimate:
        raise ConnectionError(self, batch)

    async with house(tmp_path, working=False) as assay:
        wish = {"records": RECORDS, "costCap": "9", "start": True, "idempotencyKey": "k"}
        with monkeypatch.context() as patch:
            patch.setattr(Estimator, "of", away)
            first = await created(assay, **wish)
            assert (codes(first), first["batch"]["status"]["state"]) == (["UNAVAILABLE"], "DRAFT")
            assert await created(assay, **wish) == first
        again = await created(assay, **wish)
        assert (codes(again), again["batch"]["status"]["state"]) == ([], "QUEUED")
        assert again["batch"]["id"] == first["batch"]["id"]


async def test_records_are_added_once_behind_those_that_came_with_the_batch(tmp_path: Path) -> None:
    async with house(tmp_path, working=False) as assay:
        batch_id = (await created(assay, records=RECORDS[:3]))["batch"]["id"]
        add = "(batchId: $id, records: $records, after: 3)"
        more = {"id": batch_id, "records": RECORDS[3:]}
        assert codes(await change(assay, "addRecords", add, **more)) == []
        (error,) = (await change(assay, "addRecords", add, **more))["errors"]
        assert (error["code"], error["field"]) == ("OUT_OF_STEP", "after")
        assert f"{len(RECORDS)} records" in error["message"]


async def test_an_age_beyond_all_time_is_a_century(tmp_path: Path) -> None:
    async with house(tmp_path) as assay:
        made = await created(assay, records=RECORDS[:2], maxAge="P9999999D", start=True)
        assert made["errors"] == []
        assert parse_duration(made["batch"]["maxAge"]).total_seconds() == MAX_AGE_S_MAX
        assert await to_its_end(assay, made["batch"]["id"]) == "COMPLETED"


async def test_pages_end_early_when_much_was_looked_at_in_vain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "CHUNKS_LOOKED_MAX", 2)
    async with house(tmp_path) as assay:
        made = await created(assay, records=RECORDS[:2])
        batch_id = made["batch"]["id"]
        for at in range(2, len(RECORDS)):
            more = {"id": batch_id, "records": RECORDS[at : at + 1]}
            await change(assay, "addRecords", "(batchId: $id, records: $records)", **more)
        await change(assay, "startBatch", "(batchId: $id)", id=batch_id)
        assert await to_its_end(assay, batch_id) == "COMPLETED"
        refs: list[str] = []
        pages, after, more_to_come = 0, None, True
        while more_to_come:
            variables = {"id": batch_id, "first": 100, "after": after}
            page = (await assay.ask(RESULTS, variables))["data"]["batch"]["results"]
            refs += [edge["node"]["ref"] for edge in page["edges"]]
            after, more_to_come = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
            pages += 1
        assert refs == [one["ref"] for one in RECORDS]
        assert pages > 2


async def test_what_nobody_gave_out_is_refused_as_such(tmp_path: Path) -> None:
    async with house(tmp_path, working=False) as assay:
        batch_id = (await created(assay, records=RECORDS))["batch"]["id"]
        for place in (f"{10**30}:0", "0:-1", "-1:0", "1", "1:2:3", "\u0663:0"):
            cursor = urlsafe_b64encode(place.encode()).decode().rstrip("=")
            answer = await assay.ask(RESULTS, {"id": batch_id, "first": 1, "after": cursor})
            (error,) = answer["errors"]
            assert (error["extensions"]["code"], "a page" in error["message"]) == (
                "BAD_CURSOR",
                True,
            )
        answer = await assay.ask(RESULTS, {"id": batch_id, "first": 1, "kinds": ["emails"]})
        assert answer["errors"][0]["extensions"]["code"] == "BAD_INPUT"
        seen = "query ($id: ID!) { batch(id: $id) { id } }"
        assert (await assay.ask(seen, {"id": batch_id[:-1] + "\0"}))["data"] == {"batch": None}
        gone = await change(assay, "startBatch", "(batchId: $id)", id="\0")
        assert codes(gone) == ["NOT_FOUND"]


async def test_a_store_that_cannot_be_opened_is_told_without_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_assembly, "PATIENCE_S", 0.05)
    (tmp_path / "batches.db").write_bytes(b"no database at all" * 100)
    async with house(tmp_path, working=False) as assay:
        async with asyncio.timeout(WAIT_S):
            while (away := assay.assembly.batches.away) == "it is being opened":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert away is not None
        assert str(tmp_path) in away
        answer = await assay.ask('{ batch(id: "x") { id } }')
        (error,) = answer["errors"]
        assert error["extensions"]["code"] == "UNAVAILABLE"
        assert error["message"] == "Batches can't be used now. Try again in a moment."
        app = await asyncio.to_thread(app_of, assay.assembly)
        async with served(app) as client:
            ready = await client.send("GET", "/readyz")
            upload = await client.send("POST", "/batches", b"email\na@b.example\n")
        assert ready.json == {"status": "ready", "batches": "they can't be used now"}
        assert (upload.status, str(tmp_path) in str(upload.body)) == (503, False)


async def test_a_webhook_that_leads_inside_is_refused(tmp_path: Path) -> None:
    secret = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    async with house(tmp_path, working=False, webhooks={"secret": secret}) as assay:
        for address in ("ftp://example.com/x", "nonsense", "https://user:word@example.com/x"):
            assert codes(await created(assay, webhook=address)) == ["BAD_INPUT"]
        assert (await created(assay, webhook="https://example.com/hook"))["errors"] == []


async def test_pages_of_batches_go_on_where_they_ended(tmp_path: Path) -> None:
    async with house(tmp_path, working=False) as assay:
        made = [(await created(assay, name=str(at)))["batch"]["id"] for at in range(5)]
        query = """query ($first: Int!, $after: String) { batches(first: $first, after: $after) {
          nodes { id } pageInfo { hasNextPage endCursor } } }"""
        found: list[str] = []
        after = None
        while True:
            answer = await assay.ask(query, {"first": 2, "after": after})
            page = answer["data"]["batches"]
            found += [node["id"] for node in page["nodes"]]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert found == made[::-1]
        for first in (0, 101):
            refused = await assay.ask(query, {"first": first})
            assert refused["errors"][0]["extensions"]["code"] == "BAD_OPTION"
        bad = await assay.ask(query, {"first": 1, "after": "nonsense"})
        assert bad["errors"][0]["extensions"]["code"] == "BAD_CURSOR"
        assert bad["errors"][0]["message"].endswith("take one of a page.")
        nobody = await assay.ask('{ batch(id: "nobody") { id } }')
        assert nobody["data"] == {"batch": None}

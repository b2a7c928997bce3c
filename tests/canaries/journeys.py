"""Batches from one end to the other, the command line, and ends that nobody wished for."""

import asyncio
import csv
import gzip
import io
import os
import signal
from typing import Any

import orjson
import psutil
from aiohttp import ClientTimeout

from sandbox.faults import MODES
from tests.assay_process import EVERY_MOUNT
from tests.canaries.house import Deployed
from tests.canaries.marks import Sort
from tests.canaries.traffic import (
    ANSWER_S_MAX,
    CREATE,
    FOLLOW,
    JSON,
    Partner,
    framed,
    got,
    mistaken,
    partner_of,
    raw,
    spoken,
    strangers,
    validated,
)
from tests.waiting import eventually_async

ROWS = 6
SOME_MODES = ("status_500", "status_400", "status_401", "html_200", "malformed", "foreign",
              "redirect", "reset_mid_body", "truncated", "hang")  # fmt: skip
assert set(SOME_MODES) <= set(MODES)
ENDED = ("COMPLETED", "CANCELLED", "FAILED", "CAPPED")
ENDS_S_MAX = 60.0
PACE_S = 0.1
STATE = "query S($id: ID!) { batch(id: $id) { status { state } } }"
START = "mutation S($id: ID!) { startBatch(batchId: $id) { errors { code message } } }"
ADD = """mutation A($id: ID!, $records: [RecordInput!]!) {
  addRecords(batchId: $id, records: $records) { batch { id } errors { code message } }
}"""


def table(one: Partner, rows: int = ROWS) -> bytes:
    """Return a CSV file whose header has a column of its owner's."""
    text = io.StringIO()
    found = [one.house.marks.row() for _ in range(rows)]
    own = one.word("name of a column", Sort.LABEL)
    writer = csv.DictWriter(text, [*found[0], own])
    writer.writeheader()
    writer.writerows({**row, own: one.word("cell")} for row in found)
    text.write(f'{one.word("row of too many cells")},a,b,c,d,e,f\n"{one.word("open quote")}\n')
    return text.getvalue().encode()


def lines(one: Partner, rows: int = ROWS) -> bytes:
    """Return an NDJSON file, some lines of which are none."""
    own = [{one.word("name of an own field", Sort.LABEL): one.word("own value")} for _ in range(3)]
    found = [
        orjson.dumps(record | own[at % len(own)])
        for at, record in enumerate(one.house.marks.records()[:rows])
    ]
    wrong = (
        f'{{"email": "{one.word("broken line")}',
        f'{{"email": {{"a": "{one.word("object in a line")}"}}}}',
        f'["{one.word("list for a line")}"]',
        f'{{"phone": "{one.word("text for an object in a line")}"}}',
    )
    return b"\n".join([*found, *(line.encode() for line in wrong)]) + b"\n"


async def batched(one: Partner) -> list[str]:
    """Make batches in every way that there is; return their ids."""
    house, made = one.house, list[str]()
    hook = f"{house.hook}?token={one.word('token of a webhook', Sort.LABEL)}"
    wish: dict[str, Any] = {
        "name": one.word("name of a batch", Sort.LABEL),
        "idempotencyKey": one.word("idempotency key", Sort.LABEL),
        "webhook": hook,
        "records": house.marks.records(),
    }
    answer = await one.ask(CREATE, {"input": wish})
    made.append(answer["data"]["createBatch"]["batch"]["id"])
    await one.ask(CREATE, {"input": wish | {"records": house.marks.records()}})  # the key is used
    await one.ask(ADD, {"id": made[0], "records": house.marks.records()})
    await one.ask(START, {"id": made[0]})
    for content, headers in (
        (table(one), {"content_type": "text/csv"}),
        (lines(one), {"content_type": "application/x-ndjson"}),
        (gzip.compress(table(one)), {"content_encoding": "gzip", "content_type": "text/csv"}),
    ):
        key = one.word("idempotency key of a file", Sort.LABEL)
        name = one.word("name of a batch of a file", Sort.LABEL)
        said = await one.send(
            "POST", f"/batches?start=true&name={name}&webhook={hook.replace('?', '%3F')}", content,
            Idempotency_Key=key, **headers,
        )  # fmt: skip
        made.append(orjson.loads(said)["batch"]["id"])
    return made


async def refused_files(one: Partner) -> None:
    """Send files and addresses that can't be used."""
    said, name = one.word("file that is none"), one.word("what a request says", Sort.LABEL)
    for target, content in (
        ("/batches", f"{name}\n{said}\n".encode()),
        ("/batches", f'{{"a": "{said}"}}\n'.encode()),
        ("/batches", f'[{{"email": "{said}"}}]'.encode()),
        ("/batches", f"<html>{said}</html>".encode()),
        ("/batches", b"email\n\xff\xfe\x00" + said.encode()),
        ("/batches", b"\x1f\x8b\x08" + said.encode()),
        (f"/batches?map={name}%3Demail", b"email\na@b.example\n"),
        (f"/batches?map=email%3D{name}", b"email\na@b.example\n"),
        (f"/batches?webhook=https://10.0.0.1/{said}", b"email\na@b.example\n"),
        (f"/batches?{name}=1", b"email\na@b.example\n"),
        (f"/batches?encoding={name}", b"email\na@b.example\n"),
        (f"/batches?maxAge={name}", b"email\na@b.example\n"),
        (f"/batches/{'a' * 26}/upload?email={said}", said.encode()),
    ):
        await one.send("PATCH" if "upload" in target else "POST", target, content)
    await one.send("POST", "/batches", b"a", content_type=f"text/{name}")
    await one.send("GET", f"/batches/{'a' * 26}/results.csv?kind={name}")


async def followed(one: Partner, batch: str) -> None:
    """Follow a batch in each way, and fetch its results in each form."""
    body = orjson.dumps({"query": FOLLOW % batch})
    timeout = ClientTimeout(ANSWER_S_MAX)
    for accept in ("text/event-stream", "multipart/mixed;subscriptionSpec=1.0"):
        headers = JSON | one.bearer("valid") | {"Accept": accept}
        async with one.session.post(
            f"{one.base}/graphql", data=body, headers=headers, timeout=timeout
        ) as answer:
            assert answer.status == 200
            assert await answer.content.readany()
    subscribe = {"id": "1", "type": "subscribe", "payload": {"query": FOLLOW % batch}}
    for key in ("valid", "revoked", "token"):
        await spoken(one, key, orjson.dumps(subscribe).decode())
    for form in ("csv", "ndjson", "parquet"):
        assert await one.send("GET", f"/batches/{batch}/results.{form}")
        for key in ("revoked", "wrong", None):
            await one.send("GET", f"/batches/{batch}/results.{form}", key=key)


async def ended(one: Partner, batches: list[str]) -> None:
    """Return when all of these batches have ended."""
    async with asyncio.timeout(ENDS_S_MAX):
        for id_ in batches:
            state = ""
            while state not in ENDED:
                await asyncio.sleep(PACE_S)
                state = (await one.ask(STATE, {"id": id_}))["data"]["batch"]["status"]["state"]


async def killed(one: Partner) -> None:
    """Kill a worker of gunicorn's and the one of batches while they work, and begin anew."""
    house = one.house
    for mount in EVERY_MOUNT:
        await house.sandbox.latency(mount, 500)
    asking = asyncio.create_task(validated(one, "valid"))
    made = await batched(one)
    web = next(
        child
        for child in psutil.Process(house.gunicorn.process.pid).children()
        if "valkey_keeper" not in str(child.cmdline())
    )
    os.kill(web.pid, signal.SIGKILL)
    os.kill(house.worker.pid, signal.SIGKILL)
    await asyncio.to_thread(house.worker.wait)
    await asyncio.gather(asking, return_exceptions=True)
    await house.sandbox.reset()
    house.start_worker()
    assert await eventually_async(lambda: house.gunicorn.log().count("startup complete") >= 3)
    await ended(one, made)


async def commanded(house: Deployed, one: Partner) -> None:
    """Do by the command line what it can do, at `assay serve`, which is then killed."""
    url = f"http://127.0.0.1:{house.port}"
    key = {"ASSAY_API_KEY": house.keys["valid of serve"]}
    file, other = house.folder.parent / "given.csv", house.folder.parent / "given.ndjson"
    file.write_bytes(table(one))
    other.write_bytes(lines(one))
    out = ("--force", "--out", str(house.folder.parent / "found.csv"))
    results = [
        await house.command("validate", str(file), "--url", url, *out, **key),
        await house.command("validate", str(other), "--url", url, *out, **key),
        await house.command("validate", str(file), *out, "--data-dir", str(house.folder / "cli")),
    ]
    submitted = await house.command("batch", "submit", str(file), "--url", url, "--follow", **key)
    assert submitted.out, submitted.err
    fetched = await house.command(
        "batch", "results", submitted.out.decode().strip(), "--url", url, *out, **key
    )
    assert fetched.status == 0, fetched.err
    wrong = {"ASSAY_API_KEY": house.keys["wrong"]}
    results += [
        await house.command("batch", "submit", str(file), "--url", url, **wrong),
        await house.command("batch", "list", "--url", url, **key),
        await house.command("doctor"),
        await house.command("keys", "list"),
    ]
    for number, result in enumerate([submitted, fetched, *results]):
        house.note(f"what command {number} says on standard error", result.err)
    house.note_valkey("serve")
    server = house.server
    sending = asyncio.create_task(house.command("validate", str(file), "--url", url, *out, **key))
    await asyncio.sleep(0.5)
    server.kill()
    await asyncio.to_thread(server.wait)
    house.note("what a command says whose Assay is killed", (await sending).err)


async def everything(house: Deployed, *, quick: bool = False) -> None:
    """Go every way, while all is well and, unless `quick`, while much is killed or fails."""
    one = partner_of(house)
    async with one.session:
        await validated(one, "valid")
        await validated(one, "token")
        await got(one)
        await mistaken(one)
        await strangers(one)
        await framed(one)
        await refused_files(one)
        made = await batched(one)
        await ended(one, made)
        for batch in made[:2]:
            await followed(one, batch)
        for noise in ("\0", "GET / HTTP/9", "POST /graphql HTTP/1.1\r\nHost: assay.test"):
            request = f"{noise} ?email={one.word('no request')}\r\n\r\n"
            await asyncio.to_thread(raw, one, request.encode())
        if quick:
            return
        await commanded(house, one)
        await killed(one)
        await failing(one)


async def failing(one: Partner) -> None:
    """Ask while every service fails, in one way after the other."""
    for mode in SOME_MODES:
        for mount in EVERY_MOUNT:
            await one.house.sandbox.fault(mount, mode)
        await validated(one, "valid", deadline_ms=700)
        if mode in {"status_401", "hang"}:
            await batched(one)  # what is worked on fails, too: nobody waits for it
    await one.house.sandbox.fault("dns", "servfail")
    await validated(one, "valid", deadline_ms=1)
    await one.house.sandbox.reset()

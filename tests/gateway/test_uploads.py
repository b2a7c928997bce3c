"""Files over HTTP, over real sockets: taken, refused, broken off and gone on with."""

import asyncio
import gzip
import re
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from urllib.parse import quote

import pytest
import zstandard
from graphql import build_schema, parse, validate

from batches import sqlite
from batches.errors import StoreError, StoreLocked, StoreTooNew, StoreUnreadable
from batches.given import Records, unpacked_layout
from batches.source import unpacking
from gateway.upload_request import PARAMETERS
from providers.priority import TENANT
from tests.assay_process import ROOT
from tests.gateway.upload_server import (
    CONTENT,
    EXPECTED,
    HEADER,
    PACKED,
    Running,
    running,
    shown,
    told,
)
from tests.waiting import POLL_S, WAIT_S

pytestmark = pytest.mark.usefixtures("small_blocks")


async def test_a_file_is_taken_and_what_was_understood_is_told(here: Running) -> None:
    answer = await here.post(CONTENT + b"wrong\n", "name=first", content_type="text/csv")
    assert answer.status == 201
    found = told(answer)
    batch_id = found["batch"]["id"]
    assert found["batch"] == {
        "id": batch_id,
        "name": "first",
        "state": "DRAFT",
        "records": 40_000,
    }
    size = len(CONTENT) + 6
    path = f"/batches/{batch_id}/upload"
    assert found["upload"] == {"complete": True, "offset": size, "path": path}
    assert found["file"] == {
        "format": "csv",
        "encoding": "utf-8",
        "encodingGuessed": False,
        "delimiter": ";",
        "columns": [{"column": "E-Mail", "fields": ["email"], "guessed": True}],
        "carriedThrough": ["Note"],
    }
    why = "has 1 cell and the header 2 columns"
    assert found["rowErrors"] == {"count": 1, "first": [{"line": 40_002, "why": why}]}
    assert f'startBatch(batchId: "{batch_id}")' in found["next"]
    (hint,) = re.findall(r"mutation \{.*\}", found["next"])
    assert validate(build_schema((ROOT / "schema.graphql").read_text("utf-8")), parse(hint)) == []
    assert answer.headers["location"] == path
    assert answer.headers["upload-offset"] == str(size)
    assert answer.headers["upload-complete"] == "?1"
    assert await here.rows(batch_id) == EXPECTED


@pytest.mark.parametrize(
    "content, query, headers",
    [
        (CONTENT, "", {"content_type": "text/csv"}),
        (CONTENT, "delimiter=%3B&encoding=utf-8&format=csv", {}),
        (CONTENT, "map=E-Mail%3Demail", {"content_type": "application/x-www-form-urlencoded"}),
        (PACKED, "", {"content_type": "application/gzip"}),
        (PACKED, "", {"content_encoding": "gzip", "content_type": "text/csv"}),
        (PACKED, "", {}),
        (zstandard.compress(CONTENT), "", {"content_encoding": "zstd"}),
        (zstandard.compress(CONTENT), "", {"content_type": "application/octet-stream"}),
        (CONTENT.decode().encode("utf-16"), "", {}),
    ],
    ids=shown,
)
async def test_a_file_may_be_sent_in_many_ways(
    content: bytes, query: str, headers: dict[str, str], here: Running
) -> None:
    found = told(await here.post(content, query, **headers))
    assert await here.rows(found["batch"]["id"]) == EXPECTED


async def test_what_curl_sends_with_put_is_taken_and_started(here: Running) -> None:
    answer = await here.client.send("PUT", "/batches?start=true&costCap=12.5", CONTENT)
    found = told(answer)
    assert (found["batch"]["state"], found["file"]["format"]) == ("QUEUED", "csv")
    batch = await here.ingest.store.batch(TENANT, found["batch"]["id"])
    assert (batch.cost_cap_millionths, batch.currency) == (12_500_000, "EUR")


async def test_all_that_a_batch_can_be_given_can_be_said_with_its_file(here: Running) -> None:
    hook = "https://example.com/hook"
    query = "priority=-7&startAfter=2030-01-02T03:04:05&maxAge=P2D&webhook=" + quote(hook, safe="")
    found = told(await here.post(CONTENT, query))
    batch = await here.ingest.store.batch(TENANT, found["batch"]["id"])
    assert (batch.priority, batch.max_age_s, batch.webhook) == (-7, 172_800.0, hook)
    assert batch.start_after == datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


async def test_without_a_secret_no_webhook_is_taken(tmp_path: Path) -> None:
    async with running(tmp_path, webhooks=False) as here:
        answer = await here.post(CONTENT, "webhook=https://example.com/hook")
        assert (answer.status, answer.code) == (400, "WEBHOOKS_OFF")
        assert await here.batches() == 0


async def test_objects_are_taken(here: Running) -> None:
    content = b'{"ref":"1","email":"a@b.example"}\n{"emial":"x"}\n'
    found = told(await here.post(content, content_type="application/x-ndjson"))
    assert found["batch"]["records"] == 1
    assert "did you mean email?" in found["rowErrors"]["first"][0]["why"]


async def test_fields_that_no_record_has_are_told_and_carried_through(here: Running) -> None:
    content = b'{"email":"a@b.example"}\n{"email":"b@b.example","Note":"x","emial":7}\n' * 20_000
    found = told(await here.post(content, content_type="application/x-ndjson"))
    assert (found["batch"]["records"], found["rowErrors"]["count"]) == (40_000, 0)
    assert found["file"]["carriedThrough"] == ["Note", "emial"]
    batch = await here.ingest.store.batch(TENANT, found["batch"]["id"])
    layout = unpacked_layout(batch.layout)
    assert layout.carried == ("Note", "emial")
    chunks = await here.ingest.store.chunk_results(TENANT, batch.id, -1, 10_000)
    beside = [
        one
        for chunk in chunks
        for one in Records(layout).given(chunk.given or b"").carried or pytest.fail("none")
    ]
    assert beside == [{}, {"Note": '"x"', "emial": "7"}] * 20_000


@pytest.mark.parametrize(
    "content, query, headers, status, code",
    [
        (b"", "", {}, 400, "EMPTY_FILE"),
        (HEADER, "", {}, 400, "NO_ROWS"),
        (b"foo,bar\n1,2\n", "", {}, 400, "NOTHING_TO_VALIDATE"),
        (b"PK\x03\x04 a workbook", "", {"content_type": "text/csv"}, 415, "NOT_WHAT_IT_SAYS"),
        (HEADER, "", {"content_type": "application/x-ndjson"}, 415, "NOT_WHAT_IT_SAYS"),
        (CONTENT, "", {"content_encoding": "gzip"}, 415, "NOT_WHAT_IT_SAYS"),
        (CONTENT, "", {"content_encoding": "br"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (CONTENT, "", {"content_type": "multipart/form-data"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (b"a," * 10_000_000, "", {}, 400, "TOO_MANY_COLUMNS"),
        (b"E-M\0ail;Note\n1;2\n", "", {}, 400, "BAD_HEADER"),
        (CONTENT, "encoding=utf-9", {}, 400, "BAD_ENCODING"),
        (CONTENT, "map=Mail%3Demail", {}, 400, "BAD_MAP"),
        (b'{"Mail":"a@b.example"}\n', "map=Mail%3Demail", {}, 400, "BAD_MAP"),
        (CONTENT, "delimiter=ab", {}, 400, "BAD_DELIMITER"),
        (CONTENT, "format=xml", {}, 400, "BAD_INPUT"),
        (CONTENT, "start=maybe", {}, 400, "BAD_INPUT"),
        (CONTENT, "nmae=x", {}, 400, "BAD_INPUT"),
        (CONTENT, "name=x&name=y", {}, 400, "BAD_INPUT"),
        (CONTENT, "name=" + "x" * 201, {}, 400, "BAD_INPUT"),
        (CONTENT, "name=%ff", {}, 400, "BAD_REQUEST"),
        (CONTENT, "costCap=much", {}, 400, "BAD_INPUT"),
        (CONTENT, "costCap=-1", {}, 400, "BAD_INPUT"),
        (CONTENT, "idempotencyKey=a%20b", {}, 400, "BAD_INPUT"),
        (CONTENT, "priority=101", {}, 400, "BAD_INPUT"),
        (CONTENT, "priority=1e1", {}, 400, "BAD_INPUT"),
        (CONTENT, "startAfter=tomorrow", {}, 400, "BAD_INPUT"),
        (CONTENT, "startAfter=9999-12-31T23:59:59-14:00", {}, 400, "BAD_INPUT"),
        (CONTENT, "maxAge=2d", {}, 400, "BAD_INPUT"),
        (CONTENT, "maxAge=-P2D", {}, 400, "BAD_INPUT"),
        (CONTENT, "webhook=https://10.0.0.1/hook", {}, 400, "BAD_INPUT"),
        (CONTENT, "sandbox=true", {}, 400, "SANDBOX_OFF"),
        (CONTENT, "", {"origin": "https://evil.example"}, 403, "CROSS_ORIGIN"),
        (CONTENT, "", {"upload_complete": "yes"}, 400, "BAD_REQUEST"),
    ],
    ids=shown,
)
async def test_what_cannot_be_taken_is_told_and_leaves_nothing(
    content: bytes, query: str, headers: dict[str, str], status: int, code: str, here: Running
) -> None:
    answer = await here.post(content, query, **headers)
    assert (answer.status, answer.code) == (status, code), answer.body
    assert await here.batches() == 0


async def test_a_bomb_and_what_is_cut_off_are_told_with_what_is_kept(
    here: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "RATIO_FREE_BYTES", 1 << 18)
    bomb = gzip.compress(HEADER + b"user@b.example;x\n" * 200_000, mtime=0)
    for content, code in ((bomb, "TOO_MUCH_UNPACKED"), (PACKED[:-9], "TRUNCATED")):
        answer = await here.post(content)
        assert (answer.status, answer.code) == (400, code)
        said = answer.json["errors"][0]["extensions"]
        batch = await here.ingest.store.batch(TENANT, said["batchId"])
        assert 0 < batch.offset == said["offset"] < 3_400_000


async def test_other_methods_are_told_what_there_is(here: Running) -> None:
    answer = await here.client.send("GET", "/batches")
    assert (answer.status, answer.headers["allow"]) == (405, "POST, PUT")
    found = told(await here.post(CONTENT))
    answer = await here.client.send("DELETE", found["upload"]["path"])
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, PATCH")


async def test_mixed_encodings_cost_their_own_rows(here: Running) -> None:
    good = "".join(f"user{at}@b.example;Zoë\n" for at in range(100)).encode()
    found = told(await here.post(HEADER + good + "a@b.example;Zoë\n".encode("cp1252") + good))
    assert found["batch"]["records"] == 200
    assert found["rowErrors"]["first"] == [{"line": 102, "why": "is not valid UTF-8"}]


async def test_a_guessed_encoding_is_told(here: Running) -> None:
    text = "".join(f"user{at}@b.example;Müller, Straße {at}\n" for at in range(100))
    found = told(await here.post(HEADER + text.encode("cp1252")))
    assert (found["file"]["encoding"], found["file"]["encodingGuessed"]) == ("cp1252", True)
    charset = "text/csv; charset=windows-1252"
    found = told(await here.post(HEADER + text.encode("cp1252"), content_type=charset))
    assert (found["file"]["encoding"], found["file"]["encodingGuessed"]) == ("cp1252", False)


async def test_limits_are_told(tmp_path: Path) -> None:
    async with running(tmp_path, bytes_max=100_000) as here:
        answer = await here.post(CONTENT)
        assert (answer.status, answer.code) == (413, "TOO_LARGE")
    async with running(tmp_path, records_max=10) as here:
        answer = await here.post(CONTENT)
        assert (answer.status, answer.code) == (413, "TOO_MANY_RECORDS")


async def test_a_fault_of_ours_is_masked(here: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(quote("secret"))

    monkeypatch.setattr(here.ingest.store, "append", broken)
    answer = await here.post(CONTENT)
    assert (answer.status, answer.code) == (500, "INTERNAL")
    assert b"secret" not in answer.body


def test_the_page_names_every_parameter_and_every_code() -> None:
    page = (ROOT / "docs" / "uploads.md").read_text("utf-8")
    assert [name for name in PARAMETERS if f"| `{name}` |" not in page] == []
    files = [
        *(ROOT / "batches" / "source").glob("*.py"),
        *(ROOT / "batches" / name for name in ("intake.py", "ingest.py")),
        *(ROOT / "gateway").glob("upload*.py"),
    ]
    codes = {
        code
        for file in files
        for code in re.findall(r'"((?:[A-Z]+_)+[A-Z]+)"', file.read_text("utf-8"))
    }
    assert len(codes) > 20
    assert sorted(code for code in codes if f"`{code}`" not in page) == []


async def test_what_is_not_taken_for_want_of_a_place_leaves_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, at_once_max=1) as here:
        head = "POST /batches HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n"
        _, writer = await asyncio.open_connection("127.0.0.1", here.client.port)
        writer.write(head.encode())
        async with asyncio.timeout(WAIT_S):
            while await here.batches() < 1:  # noqa: ASYNC110 - the store tells nobody
                await asyncio.sleep(POLL_S)
        answer = await here.post(CONTENT)
        assert (answer.status, answer.code) == (503, "BUSY")
        assert await here.batches() == 1
        kept = await here.post(CONTENT, idempotency_key="k")
        assert (kept.status, await here.batches()) == (503, 2)
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("error", [StoreUnreadable, StoreLocked, StoreTooNew])
async def test_whatever_is_wrong_with_the_store_may_pass(
    here: Running, error: type[StoreError], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise error("/a/secret/path")

    monkeypatch.setattr(here.ingest.store, "create", fails)
    answer = await here.post(CONTENT)
    assert answer.status == 503
    assert "secret" not in str(answer.body)


async def test_a_full_store_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pragmas = (*sqlite._PRAGMAS, "max_page_count=120")  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(sqlite, "_PRAGMAS", pragmas)
    rows = [f"{blake2b(str(at).encode()).hexdigest()}@b.example;x\n" for at in range(20_000)]
    async with running(tmp_path) as here:
        answer = await here.post(HEADER + "".join(rows).encode())
    assert (answer.status, answer.code) == (507, "UNAVAILABLE")
    assert int(answer.headers["upload-offset"]) > 0

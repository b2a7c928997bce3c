"""Files over HTTP, over real sockets: taken, refused, broken off and gone on with."""

import asyncio
import gzip
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import zstandard
from msgspec import Struct
from starlette.applications import Starlette

from batches import intake, sqlite
from batches.given import Records, unpacked_layout
from batches.ingest import Ingest
from batches.opening import open_store
from batches.settings import StoreSettings, UploadSettings
from batches.source import unpacking
from gateway import uploads
from gateway.hosts import Origins
from gateway.uploads import Uploads
from providers.priority import TENANT
from tests.gateway.http_client import Answer, Client, served
from tests.waiting import POLL_S, WAIT_S

HEADER = b"E-Mail;Note\n"
CONTENT = HEADER + b"".join(b"user%d@b.example;%d\n" % (at, at) for at in range(40_000))
PACKED = gzip.compress(CONTENT)
EXPECTED = [(f"user{at}@b.example", str(at)) for at in range(40_000)]


class Running(Struct):
    """A served address for files, and what is behind it."""

    client: Client
    ingest: Ingest

    async def post(self, content: bytes, query: str = "", **headers: str) -> Answer:
        return await self.client.send("POST", f"/batches?{query}", content, **headers)

    async def rows(self, batch_id: str) -> list[tuple[str, ...]]:
        """Return the cells of every row of a batch."""
        batch = await self.ingest.store.batch(TENANT, batch_id)
        records = Records(unpacked_layout(batch.layout))
        found = await self.ingest.store.chunk_results(TENANT, batch_id, -1, 10_000)
        return [row for chunk in found for row in records.given(chunk.given or b"").rows]

    async def batches(self) -> int:
        return len((await self.ingest.store.batches(TENANT, 100)).batches)

    async def broken_off(self, request: str, content: bytes, *, size: int) -> None:
        """Send a request that promises `size` bytes, send `content` and go away."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.client.port)
        head = f"{request} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {size}\r\n\r\n"
        writer.write(head.encode())
        writer.write(content)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def running(folder: Path, **settings: int) -> AsyncGenerator[Running]:
    """Serve `/batches` over a SQLite store in `folder`."""
    store = await open_store(StoreSettings(), folder / "batches.db")
    try:
        ingest = Ingest(store, UploadSettings(**settings))
        answers = Uploads(
            lambda: ingest, lambda _: TENANT, Origins(["localhost"]), currency="EUR", sandbox=False
        )
        async with served(Starlette(routes=answers.routes())) as client:
            yield Running(client, ingest)
    finally:
        await store.close()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 64 KiB be what a mebibyte is."""
    monkeypatch.setattr(intake, "BLOCK_BYTES", 1 << 16)
    monkeypatch.setattr(intake, "HEAD_BYTES", 1 << 16)


async def until(condition: Callable[[], Awaitable[bool]]) -> bool:
    """Return whether `condition` came true in time."""
    async with asyncio.timeout(WAIT_S):
        while not await condition():  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(POLL_S)
        return True


@pytest.fixture
async def here(tmp_path: Path) -> AsyncGenerator[Running]:
    async with running(tmp_path) as found:
        yield found


def told(answer: Answer) -> Any:  # noqa: ANN401 - JSON
    assert answer.status < 300, answer.body
    return answer.json


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


async def test_objects_are_taken(here: Running) -> None:
    content = b'{"ref":"1","email":"a@b.example"}\n{"emial":"x"}\n'
    found = told(await here.post(content, content_type="application/x-ndjson"))
    assert found["batch"]["records"] == 1
    assert "did you mean email?" in found["rowErrors"]["first"][0]["why"]


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
        (CONTENT, "delimiter=ab", {}, 400, "BAD_DELIMITER"),
        (CONTENT, "format=xml", {}, 400, "BAD_PARAMETER"),
        (CONTENT, "start=maybe", {}, 400, "BAD_PARAMETER"),
        (CONTENT, "nmae=x", {}, 400, "BAD_PARAMETER"),
        (CONTENT, "name=x&name=y", {}, 400, "BAD_PARAMETER"),
        (CONTENT, "name=" + "x" * 201, {}, 400, "BAD_PARAMETER"),
        (CONTENT, "name=%ff", {}, 400, "BAD_REQUEST"),
        (CONTENT, "costCap=much", {}, 400, "BAD_PARAMETER"),
        (CONTENT, "costCap=-1", {}, 400, "BAD_PARAMETER"),
        (CONTENT, "idempotencyKey=a%20b", {}, 400, "BAD_PARAMETER"),
        (CONTENT, "sandbox=true", {}, 400, "SANDBOX_OFF"),
        (CONTENT, "", {"origin": "https://evil.example"}, 403, "CROSS_ORIGIN"),
        (CONTENT, "", {"upload_complete": "yes"}, 400, "BAD_REQUEST"),
    ],
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
    bomb = gzip.compress(HEADER + b"user@b.example;x\n" * 200_000)
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


async def test_a_file_in_parts_is_one_file(here: Running) -> None:
    first = await here.post(b"", "name=parts", upload_complete="?0")
    assert first.status == 201
    path = first.headers["location"]
    for end in (200_000, 500_000, len(CONTENT)):
        offset = int((await head(here, path))["upload-offset"])
        complete = "?1" if end == len(CONTENT) else "?0"
        answer = await here.client.send(
            "PATCH",
            path,
            CONTENT[offset:end],
            upload_offset=str(offset),
            upload_complete=complete,
            content_type="application/partial-upload",
        )
        assert answer.headers["upload-complete"] == complete, answer.body
        assert told(answer)["upload"]["offset"] == int(answer.headers["upload-offset"])
    assert (await head(here, path))["upload-complete"] == "?1"
    found = told(await here.client.send("GET", path))
    assert (found["batch"]["name"], found["upload"]["complete"]) == ("parts", True)
    assert await here.rows(found["batch"]["id"]) == EXPECTED


async def head(here: Running, path: str) -> dict[str, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", here.client.port)
    writer.write(f"HEAD {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
    lines = (await reader.read()).decode().split("\r\n")
    writer.close()
    await writer.wait_closed()
    assert lines[0].split()[1] == "204"
    return {name: value for name, _, value in (line.partition(": ") for line in lines[1:])}


async def test_a_part_from_elsewhere_in_the_file_is_refused(here: Running) -> None:
    path = (await here.post(CONTENT[:400_000], upload_complete="?0")).headers["location"]
    for offset, status in (("0", 409), ("400000", 409), ("x", 400), ("", 400)):
        answer = await here.client.send("PATCH", path, b"x", upload_offset=offset)
        assert answer.status == status
        assert 300_000 < int(answer.headers["upload-offset"]) < 400_000
    answer = await here.client.send("PATCH", "/batches/nothing/upload", b"x", upload_offset="0")
    assert (answer.status, answer.code) == (404, "NO_SUCH_BATCH")


@pytest.mark.parametrize("packed", [False, True])
async def test_the_same_request_again_goes_on_where_the_connection_broke(
    *, packed: bool, here: Running
) -> None:
    content = PACKED if packed else CONTENT
    request = "PUT /batches?idempotencyKey=k1&name=again"
    await here.broken_off(request, content[: len(content) * 4 // 5], size=len(content))

    async def some_is_kept() -> bool:
        page = await here.ingest.store.batches(TENANT, 10)
        return bool(page.batches) and page.batches[0].offset > 0

    assert await until(some_is_kept)
    answer = await here.client.send("PUT", "/batches?name=again", content, idempotency_key="k1")
    assert answer.status == 200, answer.body
    found = told(answer)
    assert await here.rows(found["batch"]["id"]) == EXPECTED
    assert await here.batches() == 1
    # and once more changes nothing
    again = await here.post(content, "name=again&idempotencyKey=k1")
    assert told(again)["batch"] == found["batch"]
    other = await here.post(content, "name=other", idempotency_key="k1")
    assert (other.status, other.code) == (409, "IDEMPOTENCY_CONFLICT")


async def test_another_file_under_the_same_key_is_refused(here: Running) -> None:
    answer = await here.post(CONTENT[:600_000], "", idempotency_key="k", upload_complete="?0")
    assert answer.status == 201
    other = CONTENT.replace(b"user5@", b"user6@")
    answer = await here.post(other, "", idempotency_key="k")
    assert (answer.status, answer.code) == (409, "OTHER_FILE")
    assert told(await here.post(CONTENT, "", idempotency_key="k"))["batch"]["records"] == 40_000


async def test_a_client_that_goes_away_at_once_leaves_nothing(here: Running) -> None:
    await here.broken_off("PUT /batches", CONTENT[:5000], size=len(CONTENT))

    async def nothing() -> bool:
        return await here.batches() == 0

    assert await until(nothing)


async def test_who_sends_nothing_is_told_and_may_go_on(
    here: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "IDLE_S", 0.2)
    head = b"POST /batches HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2000000\r\n\r\n"
    answer = await here.client.raw(head + CONTENT + b"a@b.example;x")
    assert (answer.status, answer.code) == (408, "REQUEST_TIMEOUT")
    assert int(answer.headers["upload-offset"]) == len(CONTENT)
    path, offset = answer.headers["location"], answer.headers["upload-offset"]
    rest = await here.client.send("PATCH", path, b"a@b.example;x\n", upload_offset=offset)
    assert told(rest)["batch"]["records"] == 40_001


async def test_limits_are_told(tmp_path: Path) -> None:
    async with running(tmp_path, bytes_max=100_000) as here:
        answer = await here.post(CONTENT)
        assert (answer.status, answer.code) == (413, "TOO_LARGE")
    async with running(tmp_path, records_max=10) as here:
        answer = await here.post(CONTENT)
        assert (answer.status, answer.code) == (413, "TOO_MANY_RECORDS")


async def test_a_store_that_is_away_is_told_and_what_was_told_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_S", 0.05)
    async with running(tmp_path) as here:
        path = (await here.post(CONTENT[:600_000], upload_complete="?0")).headers["location"]
        offset = (await head(here, path))["upload-offset"]
        rest = CONTENT[int(offset) :]
        other = sqlite3.connect(tmp_path / "batches.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = await here.client.send("PATCH", path, rest, upload_offset=offset)
        assert (answer.status, answer.code) == (503, "STORE_UNAVAILABLE")
        assert answer.headers["retry-after"]
        assert answer.headers["upload-offset"] == offset
        new = await here.post(CONTENT)
        assert (new.status, new.code) == (503, "STORE_UNAVAILABLE")
        other.close()
        found = told(await here.client.send("PATCH", path, rest, upload_offset=offset))
        assert await here.rows(found["batch"]["id"]) == EXPECTED


async def test_a_fault_of_ours_is_masked(here: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(quote("secret"))

    monkeypatch.setattr(here.ingest.store, "append", broken)
    answer = await here.post(CONTENT)
    assert (answer.status, answer.code) == (500, "INTERNAL")
    assert b"secret" not in answer.body

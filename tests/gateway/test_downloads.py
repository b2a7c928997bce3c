"""Downloads over a real socket, out of a real store."""

import asyncio
import csv
import gzip
import io
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pyarrow.parquet as pq
import pytest
from msgspec import Struct
from starlette.applications import Starlette

from batches.batch import Batch
from batches.errors import StoreUnavailable
from batches.store import Store
from checks.kinds import KINDS
from gateway import downloads
from gateway.downloads import Downloads, Sources
from gateway.stopping import Stopping
from providers.priority import TENANT
from tests.batches.ended import Row, Running, decode, opened, started
from tests.gateway.doors import everybody
from tests.gateway.http_client import served
from tests.logged import logged
from tests.waiting import WAIT_S, eventually_async
from verdicts.verdict import Status

ROWS: list[Row] = [(str(n), f"User{n}@X.example", "=1+1") for n in range(8)]
V, I, R, U = Status  # noqa: E741 - as in the table below
STATUSES = [V, I, R, U, V, V, I, U]
NOBODY = "b" * 26


class AwayStore(Store):
    """A store whose database does not answer."""

    def __init__(self, real: Store) -> None:
        self.real = real

    async def batch(self, tenant: str, batch_id: str) -> Batch:
        raise StoreUnavailable(f"{tenant} {batch_id}")


class House(Struct):
    """A store behind a server, and a client of it."""

    store: Store
    session: aiohttp.ClientSession
    running: Running
    sources: list[Sources]

    def path(self, form: str = "csv") -> str:
        return f"/batches/{self.running.batch.id}/results.{form}"

    async def get(self, path: str, **headers: str) -> tuple[aiohttp.ClientResponse, bytes]:
        async with self.session.get(path, headers=headers) as response:
            return response, await response.read()

    async def code(self, path: str) -> tuple[int, str]:
        response, body = await self.get(path)
        (error,) = orjson.loads(body)["errors"]
        assert len(error["message"]) > 20
        assert response.headers["cache-control"] == "no-store"
        return response.status, error["extensions"]["code"]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[House]:
    async with opened(tmp_path) as store:
        running = await started(store, ROWS)
        sources = [Sources(store, decode, KINDS)]

        async def there() -> Sources:
            return sources[-1]

        app = Starlette(routes=Downloads(there, everybody()).routes())
        async with (
            served(app) as client,
            aiohttp.ClientSession(
                f"http://127.0.0.1:{client.port}",
                auto_decompress=False,
                headers={"Accept-Encoding": "identity"},
            ) as session,
        ):
            yield House(store, session, running, sources)


def cells(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode(), newline="")))


async def test_each_form_comes_as_a_file_of_its_own(house: House) -> None:
    await house.running.finish_all(STATUSES)
    for form, media_type in [
        ("csv", "text/csv; charset=utf-8; header=present"),
        ("ndjson", "application/x-ndjson"),
        ("parquet", "application/vnd.apache.parquet"),
    ]:
        response, body = await house.get(house.path(form))
        assert (response.status, response.headers["content-type"]) == (200, media_type)
        assert response.headers["content-disposition"] == (
            f'attachment; filename="{house.running.batch.id}.{form}"'
        )
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert body
    _, body = await house.get(house.path())
    assert [row[0] for row in cells(body)] == ["id", *map(str, range(8))]
    _, body = await house.get(house.path("ndjson"))
    assert [orjson.loads(line)["result"]["index"] for line in body.splitlines()] == list(range(8))
    _, body = await house.get(house.path("parquet"))
    read: Any = pq
    assert read.read_table(io.BytesIO(body)).num_rows == 8


@pytest.mark.parametrize(
    "query, expected",
    [
        ("status=INVALID", "16"),
        ("status=invalid,risky", "126"),
        ("status=INVALID&status=UNKNOWN", "1367"),
        ("reason=CATCH_ALL", "2"),
        ("kind=email&status=VALID", "045"),
        ("kind=iban", ""),
        ("status=", "01234567"),
        ("wait=1", "01234567"),
    ],
)
async def test_a_query_chooses_among_the_results(house: House, query: str, expected: str) -> None:
    await house.running.finish_all(STATUSES)
    _, body = await house.get(f"{house.path()}?{query}")
    assert "".join(row[0] for row in cells(body)[1:]) == expected


async def test_cells_are_guarded_unless_somebody_wants_them_raw(house: House) -> None:
    await house.running.finish_all(STATUSES)
    for query, cell in [("", "'=1+1"), ("?dialect=SAFE", "'=1+1"), ("?dialect=raw", "=1+1")]:
        _, body = await house.get(house.path() + query)
        assert cells(body)[1][2] == cell


@pytest.mark.parametrize(
    "accepts, packs",
    [
        ("gzip, br", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("br", False),
        ("identity", False),
    ],
)
async def test_text_is_packed_for_whoever_takes_it(
    house: House, accepts: str, *, packs: bool
) -> None:
    await house.running.finish_all(STATUSES)
    _, plain = await house.get(house.path())
    response, body = await house.get(house.path(), **{"Accept-Encoding": accepts})
    assert response.headers["vary"] == "Accept-Encoding"
    assert (response.headers.get("content-encoding") == "gzip") is packs
    assert (gzip.decompress(body) if packs else body) == plain
    response, body = await house.get(house.path("parquet"), **{"Accept-Encoding": accepts})
    assert "content-encoding" not in response.headers
    assert body.startswith(b"PAR1")


async def test_a_file_grows_with_its_batch(house: House) -> None:
    """What is there is sent at once; the rest comes when it is decided."""
    await house.running.finish(await house.running.claim(0), [V, V, V])
    async with house.session.get(house.path() + "?wait=true") as response:
        read = b""
        while read.count(b"\n") < 4:
            read += await response.content.readany()
        await house.running.finish(await house.running.claim(2), [V, V])
        await house.running.finish(await house.running.claim(1), [V, V, V])
        read += await response.content.read()
    assert [row[0] for row in cells(read)] == ["id", *map(str, range(8))]


async def test_whoever_only_asks_for_the_head_gets_it(house: House) -> None:
    async with house.session.head(house.path()) as response:
        assert response.status == 200
        assert response.headers["content-type"].startswith("text/csv")
        assert await response.read() == b""


@pytest.mark.parametrize(
    "query, code",
    [
        ("status=GOOD", "BAD_INPUT"),
        ("reason=BAD", "BAD_INPUT"),
        ("kind=emails", "BAD_INPUT"),
        ("dialect=tsv", "BAD_INPUT"),
        ("wait=maybe", "BAD_INPUT"),
        ("stauts=VALID", "BAD_INPUT"),
    ],
)
async def test_a_wrong_parameter_is_named(house: House, query: str, code: str) -> None:
    assert await house.code(f"{house.path()}?{query}") == (400, code)


async def test_what_there_is_not(house: House) -> None:
    assert await house.code(house.path("xlsx")) == (404, "NO_SUCH_FORM")
    assert await house.code(f"/batches/{NOBODY}/results.csv") == (404, "NOT_FOUND")
    await house.store.delete(TENANT, house.running.batch.id)
    assert await house.code(house.path()) == (404, "NOT_FOUND")


async def test_a_store_that_is_away_says_so(house: House) -> None:
    house.sources.append(Sources(AwayStore(house.store), decode, KINDS))
    response, body = await house.get(house.path())
    assert response.status == 503
    assert orjson.loads(body)["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    assert int(response.headers["retry-after"]) > 0


async def test_no_more_files_go_out_at_once_than_there_are_places(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "DOWNLOADS_MAX", 1)
    response = await house.session.get(house.path() + "?wait=true")
    await response.content.readany()
    assert await house.code(house.path()) == (503, "BUSY")
    await house.running.finish_all(STATUSES)
    assert len(cells(await response.read())) >= 8

    async def free() -> bool:
        return (await house.get(house.path()))[0].status == 200

    async with asyncio.timeout(WAIT_S):
        while not await free():  # noqa: ASYNC110 - the place is free when the server is through
            await asyncio.sleep(0.01)


async def test_a_file_that_waits_is_cut_off_when_the_server_stops(house: House) -> None:
    async def there() -> Sources:
        return house.sources[-1]

    stopping = Stopping(Starlette(routes=Downloads(there, everybody()).routes()))
    async with served(stopping) as client:
        address = f"http://127.0.0.1:{client.port}{house.path()}?wait=true"
        async with house.session.get(address) as response:
            await response.content.readany()
            stopping.begin()
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()


async def test_a_batch_that_goes_away_cuts_the_file_off(house: House) -> None:
    """Half a file must not look whole."""
    await house.running.finish(await house.running.claim(0), [V, V, V])
    with logged("gateway.downloads") as lines:
        async with house.session.get(house.path() + "?wait=true") as response:
            await response.content.readany()
            await house.store.delete(TENANT, house.running.batch.id)
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        assert [line["event"] for line in lines] == ["download broken off"]


async def test_a_reader_that_goes_away_leaves_nothing_behind(house: House) -> None:
    loop = asyncio.get_running_loop()
    before = len(asyncio.all_tasks())
    response = await house.session.get(house.path() + "?wait=true")
    await response.content.readany()
    response.close()
    assert await eventually_async(lambda: len(asyncio.all_tasks(loop)) <= before + 1)

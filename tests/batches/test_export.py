"""Results as files, out of a real store: in input order, whatever is decided."""

import asyncio
import csv
import gzip
import io
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batches.batch import Move, NewBatch
from batches.chunk import NewChunk
from batches.counts import NO_COST
from batches.csv_out import CsvDialect, CsvWriter
from batches.decided import Wanted
from batches.errors import NoSuchBatch
from batches.export import CHUNKS_PER_TRIP, Export, Writer
from batches.given import packed_records
from batches.kept import Kept
from batches.ndjson_out import NdjsonWriter
from batches.parquet_out import GROUP_ROWS, ParquetWriter
from batches.shapes import Own
from batches.source.record import Company, GivenRecord
from batches.store import Store
from checks.kinds import KINDS
from providers.priority import TENANT
from tests.batches.ended import AT, COLUMNS, Clock, Row, Running, decode, opened, started
from verdicts.reason import ReasonCode
from verdicts.verdict import Status

V, I, R, U = Status  # noqa: E741 - as in the tables below
FIELDS = ["email"]
ROWS: list[Row] = [(str(n), f"User{n}@X.example", f"note {n}") for n in range(8)]
STATUSES = [V, I, R, U, V, V, I, U]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[Store]:
    async with opened(tmp_path) as opened_store:
        yield opened_store


@pytest.fixture
async def running(store: Store) -> Running:
    return await started(store, ROWS)


async def whole(
    running: Running,
    make: Callable[[], Writer],
    wanted: Wanted = Wanted(),  # noqa: B008 - frozen
    **options: bool,
) -> bytes:
    export = Export(running.store, decode, await running.now(), make, wanted, **options)
    return b"".join([part async for part in export.parts()])


def as_csv() -> CsvWriter:
    return CsvWriter(Own(COLUMNS), FIELDS)


def rows_of(text: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.decode(), newline="")))


async def ids(running: Running, wanted: Wanted, **options: bool) -> list[int]:
    _, *rows = rows_of(await whole(running, as_csv, wanted, **options))
    return [int(row[0]) for row in rows]


async def test_csv_has_the_clients_columns_first_and_the_verdicts_behind(running: Running) -> None:
    await running.finish_all(STATUSES)
    header, *rows = rows_of(await whole(running, as_csv))
    assert header == [
        *("id", "E-Mail", "'=note", "status"),
        *("email_status", "email_normalized", "email_reasons"),
    ]
    assert rows[1] == [
        *("1", "User1@X.example", "note 1", "INVALID"),
        *("INVALID", "user1@x.example", "MAILBOX_NOT_FOUND"),
    ]
    assert rows[2][-1] == "CATCH_ALL ROLE_ACCOUNT"
    assert [row[3] for row in rows] == [status.value for status in STATUSES]


async def test_while_it_runs_what_is_decided_comes_in_input_order(running: Running) -> None:
    """The last chunk is done first, and of the first the last record."""
    late, early = await running.claim(2), await running.claim(0)
    await running.finish(late, [V, V])
    await running.flush(early, 0, [None, None, I])
    assert await ids(running, Wanted()) == [2, 6, 7]
    await running.flush(early, 1, [V, None, None])
    assert await ids(running, Wanted()) == [0, 2, 6, 7]


async def test_waiting_goes_on_until_the_batch_ends(running: Running) -> None:
    await running.finish(await running.claim(1), [V, V, V])
    reading = asyncio.create_task(ids(running, Wanted(), wait=True))
    try:
        await running.finish(await running.claim(2), [V, V])
        await running.finish(await running.claim(0), [I, V, V])
        assert await reading == list(range(8))
    finally:
        reading.cancel()


async def test_waiting_ends_with_a_batch_that_is_cancelled(running: Running, store: Store) -> None:
    await running.finish(await running.claim(1), [V, V, V])
    await store.move(TENANT, running.batch.id, Move.CANCEL)
    assert await ids(running, Wanted(), wait=True) == [3, 4, 5]


async def test_records_that_are_open_again_are_left_out(running: Running, store: Store) -> None:
    await running.finish_all(STATUSES)
    await store.retry(TENANT, running.batch.id, [U])
    assert await ids(running, Wanted()) == [0, 1, 2, 4, 5, 6]


async def test_a_chunk_that_was_given_up_says_unknown_of_what_it_left_open(
    running: Running, store: Store
) -> None:
    for attempt in range(8):
        claim = await running.claim(0)
        if not attempt:
            await running.flush(claim, 0, [None, V, None])
        await store.release(claim, NO_COST, failed=True)
    await store.sweep()
    _, *rows = rows_of(await whole(running, as_csv))
    assert [row[0] for row in rows] == ["0", "1", "2"]
    assert [row[3] for row in rows] == ["UNKNOWN", "VALID", "UNKNOWN"]


@pytest.mark.parametrize(
    "wanted, expected",
    [
        (Wanted(), range(8)),
        (Wanted(statuses=frozenset({I, U})), [1, 3, 6, 7]),
        (Wanted(reasons=frozenset({ReasonCode.ROLE_ACCOUNT})), [2]),
        (Wanted(frozenset({I}), frozenset({ReasonCode.CATCH_ALL})), []),
        (Wanted(kinds=frozenset({"email"})), range(8)),
        (Wanted(frozenset({R, V}), kinds=frozenset({"email", "iban"})), [0, 2, 4, 5]),
        (Wanted(kinds=frozenset({"iban"})), []),
    ],
)
@pytest.mark.parametrize("wait", [False, True])
async def test_what_is_wanted(
    running: Running, wanted: Wanted, expected: Sequence[int], *, wait: bool
) -> None:
    await running.finish_all(STATUSES)
    assert await ids(running, wanted, wait=wait) == list(expected)


@pytest.mark.parametrize(
    "cell, written",
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-5", "'-5"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("\0x", "'\0x"),
        ("＝1", "'＝1"),
        ("＠x", "'＠x"),
        ("+442079460018", "+442079460018"),
        ("+44 20", "'+44 20"),
        ("'=1", "'=1"),
        ('say "hi", you', 'say "hi", you'),
        ("two\nlines", "two\nlines"),
        ("", ""),
    ],
)
async def test_a_cell_that_begins_a_formula_is_guarded(
    store: Store, cell: str, written: str
) -> None:
    running = await started(store, [("1", "a@x.example", cell)])
    await running.finish_all([V])
    _, row = rows_of(await whole(running, as_csv))
    assert row[2] == written
    _, raw = rows_of(await whole(running, lambda: CsvWriter(Own(COLUMNS), FIELDS, CsvDialect.RAW)))
    assert raw[2] == cell


async def test_what_we_say_is_guarded_too(store: Store) -> None:
    """A mailbox name may begin like a formula."""
    running = await started(store, [("1", "=cmd|x@x.example", "")])
    await running.finish_all([V])
    _, row = rows_of(await whole(running, as_csv))
    assert row[5] == "'=cmd|x@x.example"


async def test_every_cell_is_quoted(running: Running) -> None:
    await running.finish_all([V])
    for line in (await whole(running, as_csv)).decode().splitlines():
        assert all(cell[0] == cell[-1] == '"' for cell in line.split(","))


async def test_ndjson_says_all_that_the_api_says(running: Running) -> None:
    await running.finish_all(STATUSES)
    text = await whole(running, lambda: NdjsonWriter(Own(COLUMNS), ["email", "phone"]))
    lines = [orjson.loads(line) for line in text.splitlines()]
    assert [line["result"]["index"] for line in lines] == list(range(8))
    line = lines[1]
    assert line["line"] == 3
    assert line["given"] == {"id": "1", "E-Mail": "User1@X.example", "=note": "note 1"}
    verdict = line["result"].pop("email")
    assert line["result"] == {
        "ref": "1", "index": 1, "status": "INVALID", "phone": None, "consistency": []
    }  # fmt: skip
    reason: dict[str, Any] = {
        "code": "MAILBOX_NOT_FOUND",
        "check": "mailbox",
        "message": "The mail host says that it has no such mailbox.",
        "retryable": False,
        "parts": [],
        "retryAt": None,
    }
    assert verdict == {
        "kind": "email",
        "input": "User1@X.example",
        "normalized": "user1@x.example",
        "status": "INVALID",
        "reasons": [reason],
        "outcomes": [
            {
                "check": "syntax",
                "conclusion": "CONFIRMED",
                "foundAt": None,
                "expiresAt": None,
                "reasons": [],
                "provider": None,
                "cost": "0",
                "voices": [],
            },
            {
                "check": "mailbox",
                "conclusion": "CONFIRMED",
                "foundAt": AT.isoformat(),
                "expiresAt": AT.isoformat(),
                "reasons": [reason],
                "provider": "zerobounce",
                "cost": "0.008",
                "voices": [],
            },
        ],
        "decidedAt": AT.isoformat(),
        "expiresAt": AT.isoformat(),
        "source": "PROVIDER",
        "domain": None,
        "mailbox": None,
    }


async def test_records_that_were_no_table_have_their_ref(store: Store) -> None:
    records = [GivenRecord(ref="a", email="a@x.example"), GivenRecord(company=Company(name="Acme"))]
    created = await store.create(NewBatch(), [NewChunk(2, packed_records(records))])
    running = Running(store, created.batch, [("a", "a@x.example", ""), ("", "b@x.example", "")], 2)
    await store.move(TENANT, created.batch.id, Move.START)
    await running.finish_all([V, I])
    header, *rows = rows_of(await whole(running, lambda: CsvWriter(Own(), FIELDS)))
    assert header[:2] == ["ref", "status"]
    assert [row[:2] for row in rows] == [["a", "VALID"], ["", "INVALID"]]
    text = await whole(running, lambda: NdjsonWriter(Own(), FIELDS, KINDS))
    lines = [orjson.loads(line) for line in text.splitlines()]
    assert [(line["line"], line["given"]) for line in lines] == [
        (None, {"ref": "a", "email": "a@x.example"}),
        (None, {"company": {"name": "Acme"}}),
    ]


async def test_what_stood_beside_a_record_comes_first_and_as_it_was(store: Store) -> None:
    records = [GivenRecord(ref="a", email="a@x.example"), GivenRecord(email="b@x.example")]
    carried = {7: {"Note": '"=1+1"', "n": "1.50"}, 9: {"deep": '{"x":[null]}', "Note": "null"}}
    chunk = NewChunk(2, packed_records(records, [7, 9], carried))
    created = await store.create(NewBatch(), [chunk])
    running = Running(store, created.batch, [("a", "a@x.example", ""), ("", "b@x.example", "")], 2)
    await store.move(TENANT, created.batch.id, Move.START)
    await running.finish_all([V, I])
    own = Own(carried=("Note", "n", "deep"))
    rows = rows_of(await whole(running, lambda: CsvWriter(own, FIELDS)))
    assert [row[:5] for row in rows] == [
        ["ref", "Note", "n", "deep", "status"],
        ["a", "'=1+1", "1.50", "", "VALID"],
        ["", "", "", '{"x":[null]}', "INVALID"],
    ]
    found = table(await whole(running, lambda: ParquetWriter(own, FIELDS)))
    assert found.column("Note").to_pylist() == ["=1+1", None]
    text = await whole(running, lambda: NdjsonWriter(own, FIELDS, KINDS))
    assert [orjson.loads(line)["given"] for line in text.splitlines()] == [
        {"ref": "a", "email": "a@x.example", "Note": "=1+1", "n": 1.5},
        {"email": "b@x.example", "deep": {"x": [None]}, "Note": None},
    ]
    assert b'"n":1.50' in text


def table(file: bytes) -> Any:  # noqa: ANN401 - pyarrow has no types
    read: Any = pq
    return read.read_table(io.BytesIO(file))


async def test_parquet_has_the_same_columns_and_typed_cells(running: Running) -> None:
    await running.finish_all(STATUSES)
    found = table(await whole(running, lambda: ParquetWriter(Own(COLUMNS), FIELDS)))
    assert found.column_names == [
        *("id", "E-Mail", "=note", "status"),
        *("email_status", "email_normalized", "email_reasons"),
    ]
    assert found["status"].to_pylist() == [status.value for status in STATUSES]
    assert found["email_reasons"].to_pylist()[2] == ["CATCH_ALL", "ROLE_ACCOUNT"]
    assert found["email_reasons"].to_pylist()[0] == []
    assert found["E-Mail"].to_pylist() == [row[1] for row in ROWS]
    any_: Any = pa
    assert found.schema.field("email_reasons").type == any_.list_(any_.string())


async def test_parquet_comes_in_groups_and_names_each_column_once(store: Store) -> None:
    """More rows than one group has, with columns that have the same name, or none."""
    number = 2 * GROUP_ROWS + 10
    columns = ("id", "E-Mail", "id")
    rows = [(str(n), "a@x.example", "") for n in range(number)]
    running = await started(store, rows, 1000, columns=columns)
    await running.finish_all([V])
    own = Own(columns)
    export = Export(
        store, decode, await running.now(), lambda: ParquetWriter(own, FIELDS), Wanted()
    )
    parts = [part async for part in export.parts()]
    assert len(parts) > 3
    read: Any = pq
    file: Any = read.ParquetFile(io.BytesIO(b"".join(parts)))
    assert file.metadata.num_row_groups == 3
    assert file.schema_arrow.names[:3] == ["id", "E-Mail", "id_2"]
    assert file.read(["id"])["id"].to_pylist() == [row[0] for row in rows]


async def test_a_column_with_the_name_of_ours_keeps_it(store: Store) -> None:
    columns = ("status", "E-Mail", "x")
    running = await started(store, [("own", "a@x.example", "")], columns=columns)
    await running.finish_all([V])
    header, row = rows_of(await whole(running, lambda: CsvWriter(Own(columns), FIELDS)))
    assert header[0] == "status"
    assert header[3:] == [
        f"assay_{name}"
        for name in ("status", *map("email_{}".format, ("status", "normalized", "reasons")))
    ]
    assert row[0] == "own"


@pytest.mark.parametrize("make", [as_csv, lambda: NdjsonWriter(Own(COLUMNS), FIELDS)])
async def test_gzip_packs_the_same(running: Running, make: Callable[[], Writer]) -> None:
    await running.finish_all(STATUSES)
    packed = await whole(running, make, gzip=True)
    assert gzip.decompress(packed) == await whole(running, make)


async def test_nothing_decided_is_a_file_without_rows(running: Running) -> None:
    assert len((await whole(running, as_csv)).splitlines()) == 1
    assert await whole(running, lambda: NdjsonWriter(Own(COLUMNS), FIELDS)) == b""
    assert table(await whole(running, lambda: ParquetWriter(Own(COLUMNS), FIELDS))).num_rows == 0


async def test_a_batch_that_goes_away_in_between_is_an_error(store: Store) -> None:
    rows = [(str(n), "a@x.example", "") for n in range(CHUNKS_PER_TRIP + 3)]
    running = await started(store, rows, 1)
    await running.finish_all([V])
    parts = Export(store, decode, await running.now(), as_csv).parts()
    await anext(parts)
    await anext(parts)
    await store.delete(TENANT, running.batch.id)
    with pytest.raises(NoSuchBatch):
        await anext(parts)


async def test_what_was_given_may_be_gone_before_the_results(tmp_path: Path) -> None:
    clock = Clock()
    async with opened(tmp_path, clock) as store:
        running = await started(store, ROWS)
        await running.finish_all(STATUSES)
        clock.pass_(days=8)
        await store.expire(Kept(timedelta(days=7), timedelta(days=30)))
        header, *rows = rows_of(await whole(running, as_csv))
        assert header[0] == "id"
        assert rows[1] == [
            *("", "", "", "INVALID", "INVALID"),
            "user1@x.example",
            "MAILBOX_NOT_FOUND",
        ]
        text = await whole(running, lambda: NdjsonWriter(Own(COLUMNS), FIELDS))
        assert orjson.loads(text.splitlines()[0])["given"] is None
        found = table(await whole(running, lambda: ParquetWriter(Own(COLUMNS), FIELDS)))
        assert found["id"].to_pylist() == [None] * 8

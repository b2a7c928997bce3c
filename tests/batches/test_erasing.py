"""A record that holds a value is erased wherever it lies; the rest of its batch stays as it was."""

import asyncio
from collections.abc import Sequence

import pytest

from batches.batch import Batch, Move, NewBatch, State
from batches.chunk import NewChunk
from batches.decided import Decided, decided_of
from batches.erasing import Erased, Erasing, Sought
from batches.given import Layout, Records, packed_layout, packed_records, unpacked_layout
from batches.results import Results
from batches.source.record import Address, Company, GivenRecord, Phone
from batches.store import Store
from checks.kinds import KINDS
from providers.priority import TENANT
from tests.batches.conftest import Clock
from tests.batches.ended import CODEC, Row, decode, started
from tests.batches.house import Place, emails
from tests.questions.house import TableProvider
from verdicts.verdict import Status

pytestmark = pytest.mark.usefixtures("tables")

V, I, R, U = Status  # noqa: E741 - as in the tables below
ADA = "Ada.L@Example.com"
ROWS: list[Row] = [
    ("1", "bob@example.com", "-"),
    ("2", ADA, "her own row"),
    ("3", "eve@example.com", "ada.l@example.com"),
    ("4", "ada.l@example.com", "another form"),
    ("5", "kim@example.com", f" {ADA} "),
]


async def chunks_of(store: Store, batch: Batch) -> list[Decided]:
    """Return all chunks of `batch` as a reader gets them."""
    records = Records(unpacked_layout(batch.layout))
    found = await store.chunk_results(batch.tenant, batch.id, -1, 100)
    return [decided_of(chunk, records, decode) for chunk in found]


async def blobs_of(store: Store, batch: Batch) -> bytes:
    """Return all that is kept of the records of `batch`, in one piece."""
    found = await store.chunk_results(batch.tenant, batch.id, -1, 100)
    return b"".join(
        blob for one in found for blob in (one.given, one.results, *one.parts) if blob is not None
    )


async def erase(store: Store, text: str, kind: str | None = None, wait_s: float = 5.0) -> Erased:
    """Erase what holds `text`."""
    return await Erasing(store, KINDS, wait_s).erase(Sought(KINDS, text, kind))


async def test_every_row_that_holds_it_is_erased_and_counts_as_before(store: Store) -> None:
    running = await started(store, ROWS)
    await running.finish_all([V, I, R])
    other = await started(store, ROWS[:1])
    before = await running.now()
    assert await erase(store, "ADA.L@example.com") == Erased(records=2)
    assert await erase(store, ADA) == Erased(records=1), "a column of its own, as written"
    assert await erase(store, "ada.l@example.com") == Erased(records=1)
    assert await erase(store, ADA) == Erased(), "there is nothing left"
    assert b"ada" not in (await blobs_of(store, running.batch)).lower()
    assert await running.now() == before
    whole = await chunks_of(store, running.batch)
    results = [one for chunk in whole for one in chunk.results if one is not None]
    assert [one.status for one in results] == [V, I, R, V, I]
    assert [one.ref for one in results] == ["1", None, None, None, None]
    erased = results[1].verdicts[0]
    assert (erased.status, erased.input, erased.normalized, erased.outcomes) == (I, "", None, ())
    assert erased.reasons, "why it was so decided stays"
    assert results[0].verdicts[0].input == "bob@example.com"
    rows = [row for chunk in whole if chunk.given is not None for row in chunk.given.rows]
    assert rows == [ROWS[0], *[("", "", "")] * 4]
    assert b"bob@example.com" in await blobs_of(store, other.batch)


async def test_only_values_of_a_kind_where_that_is_said(store: Store) -> None:
    running = await started(store, ROWS)
    assert await erase(store, ADA, "email") == Erased(records=2)
    assert await erase(store, ADA, "vatNumber") == Erased()
    assert (await blobs_of(store, running.batch)).count(ADA.encode()) == 1


OBJECTS = [
    (GivenRecord(ref=" ZX-77 "), "zx-77", False),
    (GivenRecord(ref=" ZX-77 "), "ZX-77", True),
    (GivenRecord(phone=Phone("0171 555 0100", "DE")), "+491715550100", True),
    (GivenRecord(phone=Phone("0171 555 0100", "DE")), "0171 555 0100", True),
    (GivenRecord(vat_number="de 136 695 976"), "DE136695976", True),
    (GivenRecord(company=Company("Ada & Co", "12345678", "GB")), "Ada & Co", True),
    (GivenRecord(company=Company(None, "12345678", "GB")), "GB/12345678", True),
    (GivenRecord(address=Address(["1 High St", "Flat 2"], country="GB")), "Flat 2", True),
    (GivenRecord(email="bob@example.com", iban="GB33BUKB20201555555555"), "nobody", False),
]


@pytest.mark.parametrize("record,text,held", OBJECTS)
def test_a_record_holds_what_is_in_any_of_its_fields(
    record: GivenRecord, text: str, *, held: bool
) -> None:
    assert Sought(KINDS, text).in_record(record) is held


async def test_what_stands_beside_an_object_is_looked_at_and_goes_with_it(store: Store) -> None:
    records = [GivenRecord(email=value) for value in emails(3)]
    carried = {7: {"note": '"secret"', "age": "41"}, 8: {"note": "null"}}
    given = packed_records(records, [7, 8, 9], carried)
    layout = packed_layout(Layout(carried=("note", "age")))
    batch = (await store.create(NewBatch(layout=layout), [NewChunk(3, given)])).batch
    assert await erase(store, "secret") == Erased(records=1)
    assert await erase(store, "41") == Erased()
    (chunk,) = await chunks_of(store, batch)
    assert chunk.given is not None
    assert chunk.given.carried == [{}, {"note": "null"}, {}]
    assert chunk.given.erased == [0]
    assert [one.email for one in chunk.given.records or ()] == [None, *emails(3)[1:]]


async def test_results_are_erased_though_what_was_given_is_kept_no_longer(store: Store) -> None:
    running = await started(store, ROWS)
    await running.finish_all([V])
    blob = (await store.chunk_results(TENANT, running.batch.id, -1, 1))[0].results
    assert blob is not None
    (place,) = [
        at for at, one in enumerate(CODEC.unpacked(blob)[1]) if one.verdicts[0].input == ADA
    ]
    without = CODEC.without(blob, {place})
    assert ADA.lower().encode() not in without.lower()
    foreign = Results([])
    bare = foreign.without(blob, {place})
    assert ADA.lower().encode() not in bare.lower(), "of a kind that is not configured, too"
    inputs = [one.verdicts[0].input for one in foreign.unpacked(bare)[1]]
    assert inputs == [one.verdicts[0].input for one in foreign.unpacked(without)[1]]


async def test_what_somebody_works_on_is_erased_when_he_has_done_with_it(store: Store) -> None:
    running = await started(store, ROWS, per_chunk=5)
    claim = await running.claim(0)
    await running.flush(claim, 0, [V, V, None, None, None])
    told = await erase(store, ADA, wait_s=0.1)
    assert (told.records, list(told.busy)) == (0, [claim.ref])
    erasing = asyncio.ensure_future(erase(store, ADA))
    await asyncio.sleep(0.1)
    await store.release(claim)
    assert await erasing == Erased(records=3)
    (chunk,) = await chunks_of(store, running.batch)
    assert [one and one.status for one in chunk.results] == [V, V, None, None, None]
    (flushed,) = (await store.chunk_results(TENANT, running.batch.id, -1, 1))[0].parts
    assert b"ada" not in flushed.lower()


async def test_what_a_dead_worker_has_left_is_erased(store: Store, clock: Clock) -> None:
    running = await started(store, ROWS, per_chunk=5)
    await running.claim(0)
    clock.pass_s(3600)
    assert await erase(store, ADA) == Erased(records=3)


async def test_what_is_erased_before_it_is_decided_is_asked_of_nobody(at: Place) -> None:
    batch = await at.batch(emails(20))
    assert await erase(at.store, "user13@x.example") == Erased(records=1)
    provider = TableProvider()
    async with at.engine(at.judge(provider)):
        done = await at.until(batch, State.COMPLETED)
        assert sorted(provider.asked) == sorted(set(emails(20)) - {"user13@x.example"})
        assert (done.counts.statuses[V], done.counts.statuses[U]) == (19, 1)
        await at.store.retry(TENANT, batch.id, {U})
        again = await at.until(batch, State.COMPLETED)
    assert again.counts == done.counts
    results = await at.store.chunk_results(TENANT, batch.id, -1, 100)
    (blank,) = [
        one for chunk in results for one in at.packing.results.decided(chunk) if not one.verdicts
    ]
    assert (blank.status, blank.ref) == (U, None)


async def test_a_batch_that_is_deleted_meanwhile_is_no_failure(store: Store) -> None:
    running: Sequence[Batch] = [(await started(store, ROWS)).batch for _ in range(3)]
    erasing = asyncio.ensure_future(erase(store, ADA))
    for batch in running:
        await store.move(TENANT, batch.id, Move.CANCEL)
        await store.delete(TENANT, batch.id)
    assert (await erasing).busy == ()

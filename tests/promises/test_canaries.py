"""No value, no key and no secret in any log, error, process or file (R19), by a search for all.

Assay has no metrics and no traces of its own yet (`/metrics` answers 404): they would be two sinks
more.
"""

import base64
import gzip
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import zstandard
from msgspec.structs import replace
from redis import Redis

from batches.batch import NewBatch
from batches.chunk import NewChunk
from batches.given import packed_records
from batches.opening import open_store
from batches.settings import StoreSettings
from batches.source.record import record_class
from tests.canaries.house import deployed, run
from tests.canaries.journeys import everything
from tests.canaries.marks import Canary, Marks, Sort
from tests.canaries.sinks import Seen, Sink, entries, files, leaks, rows
from tests.waiting import eventually

LABELS_SEEN_MIN = 10


@pytest.mark.timeout(240)
async def test_no_value_leaves_its_way(tmp_path: Path) -> None:
    async with deployed(tmp_path / "house", 1) as house:
        await everything(house)
        house.note_valkey("data")
        await house.stopped()
        sinks = house.written()
    assert leaks(house.marks.made, sinks) == []
    # What may stand in the store is found there by the same search, so it does look.
    labels = [one for one in house.marks.made if one.sort is Sort.LABEL]
    seen = leaks(labels, [replace(sink, labels=False) for sink in sinks])
    assert len([one for one in seen if "the store, table batches" in one]) >= LABELS_SEEN_MIN
    said = {sink.what: sink.content for sink in sinks}
    assert b'"provider failed"' in said["gunicorn's log"]
    assert b'"status":401' in said["nginx's folder, access.log"]
    assert b'"batch paused"' in said["our folder, logs/worker.log"]


MARK = "hqpgbdtrzwmkxnvc"
CANARY = Canary("a mark", Sort.RECORD, MARK)


WRITTEN = (
    MARK.encode(),
    MARK.upper().encode(),
    f"%{ord(MARK[0]):x}{MARK[1:]}".encode(),
    base64.b64encode(MARK.encode()),
    base64.b64encode(f"x{MARK}".encode()),
    base64.b64encode(f"xy{MARK}!".encode()),
    MARK.encode().hex().encode(),
    MARK.encode("utf-16"),
    gzip.compress(f"in {MARK} it".encode(), mtime=0),
    zstandard.compress(f"in {MARK} it".encode() * 9),
)


@pytest.mark.parametrize("written", WRITTEN, ids=range(len(WRITTEN)))
def test_the_search_finds_it_however_it_is_written(written: bytes) -> None:
    assert leaks([CANARY], [Sink("a log", b"before " + written + b" after")])
    assert not leaks([CANARY], [Sink("a log", b"before " + written[: len(written) // 3])])


async def test_the_search_finds_it_in_a_store_that_is_not_sealed(tmp_path: Path) -> None:
    store = await open_store(StoreSettings(), tmp_path / "batches.db")
    record = record_class((), strict=True)
    try:
        chunk = NewChunk(1, packed_records([record(email=f"{MARK}@x.example")] * 500))
        await store.create(NewBatch(), [chunk])
        assert "table given" in leaks([CANARY], rows(tmp_path / "batches.db", "the store"))[0]
        assert leaks([CANARY], files(tmp_path, "the folder"))
    finally:
        await store.close()


@pytest.mark.parametrize(
    "words",
    [
        ("SET", "key", MARK),
        ("SET", MARK, "value"),
        ("HSET", "key", "field", MARK),
        ("HSET", "key", MARK, "1"),
        ("ZADD", "key", "1", MARK),
        ("RPUSH", "key", MARK),
        ("SADD", "key", MARK),
        ("XADD", "key", "*", "field", MARK),
    ],
)
def test_the_search_finds_it_in_valkey(valkey_url: str, words: tuple[str, ...]) -> None:
    with Redis.from_url(valkey_url) as client:  # pyright: ignore[reportUnknownMemberType]
        client.execute_command(*words)  # pyright: ignore[reportUnknownMemberType]
    assert leaks([CANARY], entries(valkey_url, "Valkey"))


CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()', *sys.argv[1:]])"


@pytest.mark.parametrize("where", ["arguments", "environment"])
def test_the_search_finds_it_in_what_a_process_starts(where: str) -> None:
    words = [MARK] if where == "arguments" else []
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, *words],
        env={"LC_ALL": "C"} | ({} if words else {"LEAK": MARK}),
        stdin=subprocess.PIPE,
    )
    try:
        assert eventually(lambda: bool(psutil.Process(process.pid).children()))
        seen = Seen()
        assert eventually(lambda: bool(_looked(seen, process.pid)))
        assert any(f"the {where} of" in one for one in leaks([CANARY], seen.sinks()))
    finally:
        process.communicate(b"\n")


def _looked(seen: Seen, pid: int) -> list[str]:
    seen.look((pid,))
    return leaks([CANARY], seen.sinks())


WRONG = {
    "ASSAY_ACCESS": f'{{"pepper": {{"a": "{MARK}"}}}}',
    "ASSAY_CACHE__HASH_KEY": MARK[:10],
    "ASSAY_CACHE__ENCRYPTION_KEY": MARK,
    "ASSAY_STORE__ENCRYPTION_KEY": MARK,
    "ASSAY_WEBHOOKS__SECRET": f"whsec_{MARK}",
    "ASSAY_PROVIDERS": f'{{"zerobounce": {{"api_key": ["{MARK}"], "key": "{MARK}"}}}}',
}
AWAY = {
    "ASSAY_CACHE__HASH_KEY": MARK,
    "ASSAY_REDIS__URL": f"redis://u:{MARK}@127.0.0.1:9/0",
    "ASSAY_STORE__URL": f"postgresql://u:{MARK}@127.0.0.1:9/x",
}


@pytest.mark.parametrize(
    "settings, command, named",
    [
        (WRONG, "keys list", b"ASSAY_CACHE__HASH_KEY"),
        (WRONG, "serve --port 0", b"ASSAY_CACHE__HASH_KEY"),
        (WRONG, "worker", b"ASSAY_CACHE__HASH_KEY"),
        (AWAY, "keys list", b"PostgreSQL"),
        (AWAY, "forget x@example.com", b"127.0.0.1"),
    ],
)
async def test_a_mistake_in_the_configuration_is_told_without_its_secrets(
    tmp_path: Path, settings: dict[str, str], command: str, named: bytes
) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    kept |= {"ASSAY_GATEWAY__DATA_DIR": str(tmp_path), "ASSAY_GATEWAY__LOG_LEVEL": "DEBUG"}
    done = await run(kept | settings, *command.split())
    assert done.status != 0
    told = done.out + done.err
    assert named in told
    assert leaks([Canary("a secret", Sort.SECRET, MARK[:10])], [Sink("the screen", told)]) == []


def test_no_two_marks_are_alike() -> None:
    marks = Marks(1)
    for _ in range(50):
        marks.records()
    texts = [one.text for one in marks.made]
    assert len(set(texts)) == len(texts)

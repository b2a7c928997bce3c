"""Uploads that break off, and go on with nothing lost and nothing doubled."""

import sqlite3
from pathlib import Path

import pytest

from batches import sqlite
from gateway import uploads
from providers.priority import TENANT
from tests.gateway.upload_server import (
    CONTENT,
    EXPECTED,
    PACKED,
    Running,
    head,
    running,
    told,
    until,
)

pytestmark = pytest.mark.usefixtures("small_blocks")


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


async def test_a_part_from_elsewhere_in_the_file_is_refused(here: Running) -> None:
    path = (await here.post(CONTENT[:400_000], upload_complete="?0")).headers["location"]
    for offset, status in (("0", 409), ("400000", 409), ("x", 400), ("", 400)):
        answer = await here.client.send("PATCH", path, b"x", upload_offset=offset)
        assert answer.status == status
        assert 300_000 < int(answer.headers["upload-offset"]) < 400_000
    answer = await here.client.send("PATCH", "/batches/nothing/upload", b"x", upload_offset="0")
    assert (answer.status, answer.code) == (404, "NOT_FOUND")


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
    assert (other.status, other.code) == (409, "KEY_USED")


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
        assert (answer.status, answer.code) == (503, "UNAVAILABLE")
        assert answer.headers["retry-after"]
        assert answer.headers["upload-offset"] == offset
        new = await here.post(CONTENT)
        assert (new.status, new.code) == (503, "UNAVAILABLE")
        other.close()
        found = told(await here.client.send("PATCH", path, rest, upload_offset=offset))
        assert await here.rows(found["batch"]["id"]) == EXPECTED

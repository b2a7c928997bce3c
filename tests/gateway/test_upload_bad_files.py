"""Files with something wrong in them, over real HTTP: a clear answer, and nothing lost."""

from hashlib import blake2b
from pathlib import Path

import pytest

from batches import sqlite
from batches.given import unpacked_layout
from providers.priority import TENANT
from tests.gateway.http_client import Answer
from tests.gateway.upload_server import HEADER, Running, running, told

pytestmark = pytest.mark.usefixtures("small_blocks")

GOOD = '{"ref":"Zoë","email":"a@b.example"}\n'.encode()
COLUMNS = 10_000_000


@pytest.mark.parametrize(
    "bad, why",
    [
        (b"a\0@b.example;x\n", "holds a NUL byte"),
        ("a@b.example;Zoë\n".encode("cp1252"), "is not valid UTF-8"),
        ("a@b.example;Zoë".encode("utf-16-le") + b"\n", "is not valid UTF-8"),
        (b"a@b.example;" + b";" * COLUMNS + b"\n", "is longer than"),
        (b"a@b.example;x;y\n", "has 3 cells and the header 2 columns"),
        (b'"a@b.example;x\n', "opens a quote that is never closed"),
    ],
    ids=["NUL", "other encoding", "wide encoding", "ten million columns", "uneven", "quote"],
)
async def test_a_bad_row_is_told_by_its_line_and_costs_no_other(
    bad: bytes, why: str, here: Running
) -> None:
    good = "".join(f"user{at}@b.example;Zoë\n" for at in range(100)).encode()
    found = told(await here.post(HEADER + good + bad + good))
    assert [one["line"] for one in found["rowErrors"]["first"]] == [102]
    assert why in found["rowErrors"]["first"][0]["why"], found["rowErrors"]
    assert found["batch"]["records"] == 200


@pytest.mark.parametrize(
    "bad, why",
    [
        (b'{"email":"a\0@b.example"}\n', "holds a NUL byte"),
        ('{"email":"a@b.example","note":"Zoë"}\n'.encode("cp1252"), "is not valid UTF-8"),
        (b'{"email":"a@b.example"\n', "is not JSON"),
        (b'["a@b.example"]\n', "is no record"),
        (b'{"email":"a@b.example","note":"\\ud800"}\n', "is not JSON"),
        (b'{"note":"x"}\n', "is no record"),
        (b'{"email":"a@b.example","n":"' + b"x" * 70_000 + b'"}\n', "has a value of more than"),
        (b'{"email":"a@b.example","' + b"n" * 70_000 + b'":1}\n', "has more fields than"),
        (
            b'{"email":"a@b.example",' + b",".join(b'"%d":1' % at for at in range(5_000)) + b"}\n",
            "has more fields than",
        ),
        (b'{"email":"a@b.example"' + b',"n":1' * COLUMNS + b"}\n", "is longer than"),
    ],
    ids=[
        *("NUL", "other encoding", "cut off", "array", "half a letter", "nothing to validate"),
        *("long value", "long name", "5,000 fields", "ten million fields"),
    ],
)
async def test_a_bad_object_is_told_by_its_line_and_costs_no_other(
    bad: bytes, why: str, here: Running
) -> None:
    found = told(await here.post(GOOD * 100 + bad + GOOD * 100))
    assert [one["line"] for one in found["rowErrors"]["first"]] == [101]
    assert why in found["rowErrors"]["first"][0]["why"], found["rowErrors"]
    assert found["batch"]["records"] == 200
    assert not found["file"].get("carriedThrough")


async def gone_on(here: Running, broken: Answer, content: bytes, *, again: bool) -> Answer:
    """Send what `broken` left of `content`: by the same request, or that alone."""
    if again:
        return await here.post(content, idempotency_key="k")
    offset = broken.headers["upload-offset"]
    rest = content[int(offset) :]
    return await here.client.send("PATCH", broken.headers["location"], rest, upload_offset=offset)


@pytest.mark.parametrize("again", [True, False], ids=["the same request", "the rest alone"])
async def test_a_disk_that_was_full_is_gone_on_with_and_nothing_is_lost_or_doubled(
    *, again: bool, tmp_path: Path
) -> None:
    names = [blake2b(str(at).encode()).hexdigest() for at in range(20_000)]
    content = HEADER + "".join(f"{name}@b.example;x\n" for name in names).encode()
    with pytest.MonkeyPatch.context() as patch:
        pragmas = (*sqlite._PRAGMAS, "max_page_count=120")  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        patch.setattr(sqlite, "_PRAGMAS", pragmas)
        async with running(tmp_path) as here:
            answer = await here.post(content, idempotency_key="k")
    assert (answer.status, answer.code) == (507, "UNAVAILABLE")
    assert "STORE_FULL" in answer.json["errors"][0]["message"]
    offset = int(answer.headers["upload-offset"])
    assert 0 < offset < len(content)
    async with running(tmp_path) as here:
        found = told(await gone_on(here, answer, content, again=again))
        assert (found["batch"]["records"], found["upload"]["complete"]) == (20_000, True)
        rows = await here.rows(found["batch"]["id"])
        assert [email for email, _ in rows] == [f"{name}@b.example" for name in names]


@pytest.mark.parametrize("again", [True, False], ids=["the same request", "the rest alone"])
async def test_an_upload_that_goes_on_keeps_the_fields_that_no_record_has(
    *, again: bool, here: Running
) -> None:
    rows = [b'{"email":"user%d@b.example","n":%d}\n' % (at, at) for at in range(20_000)]
    content = b'{"email":"a@b.example","First":1}\n' + b"".join(rows)
    content += b'{"email":"b@b.example","Last":1}\n'
    begun = await here.post(content[:300_000], upload_complete="?0", idempotency_key="k")
    offset = int(begun.headers["upload-offset"])
    assert 0 < offset < 300_000
    assert told(begun)["file"]["carriedThrough"] == ["First", "n"]
    found = told(await gone_on(here, begun, content, again=again))
    assert (found["batch"]["records"], found["rowErrors"]["count"]) == (20_002, 0)
    assert found["file"]["carriedThrough"] == ["First", "n", "Last"]
    batch = await here.ingest.store.batch(TENANT, found["batch"]["id"])
    assert unpacked_layout(batch.layout).carried == ("First", "n", "Last")

"""No value in a log, in the shared store or in a message: marked values, and a search for them."""

import logging
import re
from typing import Any, cast
from urllib.parse import unquote

import pytest
from redis.asyncio import Redis

from sandbox.faults import MODES
from tests.assay_process import (
    EVERY_MOUNT,
    Client,
    Record,
    Sections,
    client_of,
    living,
    processes,
    sections,
)
from tests.sandbox_process import RunningSandbox

MARK = "xyzzyplugh"
RECORDS: list[Record] = [
    {"ref": MARK, "email": f"{MARK}@one.example.org", "phone": {"number": "+46701740650"}},
    {"vatNumber": "FR88100000009", "lei": "SBOX00ISSUED00000047"},
    {"vatNumber": "GB100000230", "company": {"number": "00000101", "jurisdiction": "GB"}},
    {"postcode": {"code": "SW1A 2AA", "country": "GB"}, "iban": "DE89370400440532013000"},
    {"email": f"{MARK}@@{MARK}", "address": {"lines": [MARK], "country": "GB"}},
    {"email": f"{MARK}\x00@x.example"},
]
MARKS = re.compile(
    f"{MARK}|701740650|100000009|SBOX00ISSUED|100000230|00000101|SW1A|0440532013", re.IGNORECASE
)
SELECTION = "results { status verdicts { reasons { code } } }"
SOME_MODES = ["html_200", "status_503", "status_400", "foreign", "reset_mid_body", "malformed"]
MISTAKES = [
    f'mutation {{ validate(records: [{{email: "{MARK}" nothing: 1}}]) {{ usage {{ cost }} }} }}',
    f'mutation {{ validate(records: [{{lei: {{a: "{MARK}"}}}}]) {{ usage {{ cost }} }} }}',
    f'{{ {MARK} }} "{MARK}',
    f"query Q {{ {MARK} }}",
]


async def store_of(url: str) -> list[bytes]:
    """Return every key and every value in the store, as they lie there."""
    client = cast("Any", Redis).from_url(url)
    everything: list[bytes] = []
    async for key in client.scan_iter(match="*"):
        everything += [key, await client.dump(key) or b""]
    await client.aclose()
    return everything


async def trouble(client: Client) -> None:
    """Do what makes a gateway log: failures, nonsense, mistakes."""
    for query in MISTAKES:
        await client.post(b'{"query": "%b"}' % query.replace('"', '\\"').encode())
    await client.post(b'{"query": "%b' % MARK.encode())
    await client.post(b'{"variables": {"records": "%b"}, "query": 1}' % MARK.encode())


async def test_nothing_of_a_value_is_logged_or_stored_in_the_clear(
    sandbox: RunningSandbox, valkey_url: str
) -> None:
    given = sections(sandbox, valkey_url, gateway={"log_level": "DEBUG"})
    with processes(given, 1) as (assay,):
        async with client_of(assay.path) as client:
            await client.validate(SELECTION, RECORDS)
            for mode in SOME_MODES:
                assert mode in MODES
                for mount in EVERY_MOUNT:
                    await sandbox.fault(mount, mode)
                await client.validate(SELECTION, RECORDS, maxAge="PT0S")
            await sandbox.fault("dns", "servfail")
            await client.validate(SELECTION, RECORDS, maxAge="PT0S")
            await client.validate(SELECTION, RECORDS, maxAge="PT0S", deadlineMs=1)
            await trouble(client)
            stored = await store_of(valkey_url)
        log = assay.log
    assert "provider failed" in log
    assert [line for line in log.splitlines() if MARKS.search(line)] == []
    assert len(stored) > len(RECORDS)
    assert not MARKS.findall(unquote(b" ".join(stored).decode("latin-1")))


async def test_a_fault_of_ours_names_no_value_either(
    usual: Sections, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client gets an id to quote; the log has the same, and where it happened."""
    async with living(usual) as assay:

        async def broken(*_: object) -> None:
            raise RuntimeError(MARK)

        monkeypatch.setattr(assay.assembly.context.judge, "judge", broken)
        with caplog.at_level(logging.DEBUG):
            answer = await assay.ask(
                "mutation ($r: [RecordInput!]!) { validate(records: $r) { usage { cost } } }",
                {"r": RECORDS},
            )
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "INTERNAL"
    assert not MARKS.findall(str(answer))
    assert error["extensions"]["id"] in error["message"]
    told = " ".join(str(vars(record)) for record in caplog.records)
    assert not MARKS.findall(told)

"""Each fault does what it says, on the wire."""

from __future__ import annotations

import asyncio
import email.utils
import gzip
from collections.abc import Awaitable, Callable

import aiohttp
import orjson
import pytest

from sandbox.faults import HUGE_BYTES, MODES, STATUSES, bomb
from tests.sandbox import asking
from tests.sandbox.asking import Got
from tests.sandbox_process import RunningSandbox

LEIS = ("SBOX00ISSUED00000047", "SBOX00LAPSED00000088", "SBOX00RETIRED0000082")
SLOW = {"hang", "drip", "huge", "gzip_bomb", "latency", "many_headers", "long_header"}
BROKEN = {"reset", "reset_mid_body", "fin_mid_body", "header_flood"}


async def lone_hmrc(sandbox: RunningSandbox) -> Got:
    return await asking.hmrc(sandbox, "100000230", await asking.hmrc_token(sandbox))


ASK: dict[str, Callable[[RunningSandbox], Awaitable[Got]]] = {
    "vies": lambda sandbox: asking.vies(sandbox, "FR88100000009"),
    "hmrc": lone_hmrc,
    "gleif": lambda sandbox: asking.gleif_bulk(sandbox, *LEIS),
    "companies-house": lambda sandbox: asking.company(sandbox, "00000101"),
    "zerobounce": lambda sandbox: asking.mailbox(sandbox, "valid@example.com"),
    "zerobounce-bulk": lambda sandbox: asking.mailboxes(
        sandbox, "valid@example.com", "abuse@example.com", "invalid@example.com"
    ),
    "twilio": lambda sandbox: asking.phone(sandbox, "+442079460001"),
    "dns-over-https": lambda sandbox: asking.domain(sandbox, "firm.example"),
    "google-address": lambda sandbox: asking.address(sandbox, "1 Premise Street"),
    "postcodes-io": lambda sandbox: asking.postcodes(sandbox, "SW1A 2AA", "M32 0JG", "LS1 9ZZ"),
}
ECHO = {
    "vies": ("vatNumber", "88100000009"),
    "companies-house": ("company_number", "00000101"),
    "zerobounce": ("address", "valid@example.com"),
    "twilio": ("phone_number", "+442079460001"),
}


async def faulty(sandbox: RunningSandbox, mount: str, mode: str, **options: object) -> Got:
    await sandbox.limit(mount)
    prefix = {"prefix": "100000230"} if mount == "hmrc" else {}
    await sandbox.fault(mount, mode, **prefix, **options)
    return await ASK[mount](sandbox)


@pytest.mark.parametrize("mount", sorted(ASK))
async def test_no_fault_stops_the_service_from_working_afterwards(
    sandbox: RunningSandbox, mount: str
) -> None:
    healthy = await ASK[mount](sandbox)
    for mode in sorted(set(MODES) - SLOW):
        try:
            got = await faulty(sandbox, mount, mode)
        except aiohttp.ClientError:
            assert mode in BROKEN, mode
        else:
            assert mode not in BROKEN, mode
            single = mode.startswith("items_") and got.body == healthy.body
            same = {"wrong_content_type", "extra_reply"}
            assert single or mode in same or (got.status, got.body) != (200, healthy.body), mode
        await sandbox.faults(mount)
        again = await ASK[mount](sandbox)
        assert (again.status, len(again.body)) == (healthy.status, len(healthy.body)), mode


@pytest.mark.parametrize("mount", sorted(ASK))
async def test_statuses_come_as_asked(sandbox: RunningSandbox, mount: str) -> None:
    for status in STATUSES:
        assert (await faulty(sandbox, mount, f"status_{status}")).status == status


async def test_statuses_have_the_bodies_of_their_services(sandbox: RunningSandbox) -> None:
    assert (await faulty(sandbox, "hmrc", "status_429")).json["code"] == "MESSAGE_THROTTLED_OUT"
    assert (await faulty(sandbox, "hmrc", "INVALID_SCOPE")).json["code"] == "INVALID_SCOPE"
    assert (await faulty(sandbox, "companies-house", "status_429")).body == b""
    assert (await faulty(sandbox, "twilio", "status_429")).json["code"] == 20429
    shield = await faulty(sandbox, "zerobounce", "status_403")
    assert shield.headers["content-type"].startswith("text/html")
    no_credit = await faulty(sandbox, "zerobounce-bulk", "no_credit")
    assert (no_credit.status, no_credit.json["email_batch"]) == (200, [])
    assert (await faulty(sandbox, "postcodes-io", "status_429")).json["status"] == 429
    wrapped = await faulty(sandbox, "vies", "MS_UNAVAILABLE/500")
    assert (wrapped.status, wrapped.json["errorWrappers"][0]["error"]) == (500, "MS_UNAVAILABLE")
    beside = (await faulty(sandbox, "vies", "TIMEOUT/user_error")).json
    assert (beside["valid"], beside["userError"]) == (False, "TIMEOUT")


@pytest.mark.parametrize("text", ["7", "-1", "99999999999", "soon", "1.5", ""])
async def test_retry_after_is_sent_as_told(sandbox: RunningSandbox, text: str) -> None:
    got = await faulty(sandbox, "twilio", "status_429", retry_after=text)
    assert got.headers["retry-after"] == text


@pytest.mark.parametrize("skew_s", [0, 3600, -3600])
async def test_a_retry_date_is_relative_to_the_service_clock(
    sandbox: RunningSandbox, skew_s: int
) -> None:
    options = {"retry_after": "date:+30", "date_skew_s": skew_s}
    got = await faulty(sandbox, "twilio", "status_503", **options)
    due = email.utils.parsedate_to_datetime(got.headers["retry-after"])
    ours = email.utils.parsedate_to_datetime(got.headers["date"])
    assert 29 <= (due - ours).total_seconds() <= 31


async def test_broken_json_comes_in_each_form(sandbox: RunningSandbox) -> None:
    for mode in ("truncated", "malformed", "nan", "latin_1", "deep_nesting", "html_200"):
        got = await faulty(sandbox, "vies", mode)
        assert got.status == 200
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(got.body)
    assert (await faulty(sandbox, "vies", "bom")).body.startswith(b"\xef\xbb\xbf{")
    assert (await faulty(sandbox, "vies", "empty")).body == b""
    plain = await faulty(sandbox, "vies", "wrong_content_type")
    assert plain.headers["content-type"] == "text/plain"
    assert (await faulty(sandbox, "vies", "html_503")).status == 503
    moved = await faulty(sandbox, "vies", "redirect", location="http://127.0.0.1:9/")
    assert (moved.status, moved.headers["location"]) == (302, "http://127.0.0.1:9/")


async def test_duplicate_keys_contradict_each_other(sandbox: RunningSandbox) -> None:
    got = await faulty(sandbox, "vies", "duplicate_keys")
    assert b'"valid":true' in got.body
    assert b'"valid":false' in got.body
    bulk = await faulty(sandbox, "gleif", "duplicate_keys")
    assert bulk.body.count(b'"status":"UNDER_REVIEW"') == len(LEIS)


async def test_an_answer_can_drift_from_its_contract(sandbox: RunningSandbox) -> None:
    assert (await faulty(sandbox, "zerobounce", "unknown_status")).json["status"] == "perhaps"
    assert (await faulty(sandbox, "zerobounce", "changed_type")).json["status"] is True
    assert "status" not in (await faulty(sandbox, "zerobounce", "missing_field")).json
    line = (await faulty(sandbox, "twilio", "unknown_status")).json["line_type_intelligence"]
    assert line["type"] == "quantumVoip"
    for item in (await faulty(sandbox, "gleif", "missing_field")).json["data"]:
        assert "status" not in item["attributes"]["registration"]


@pytest.mark.parametrize("mount", sorted(ECHO))
async def test_a_foreign_answer_is_about_somebody_else(sandbox: RunningSandbox, mount: str) -> None:
    field, asked = ECHO[mount]
    assert (await faulty(sandbox, mount, "foreign")).json[field] not in {asked, None}


@pytest.mark.parametrize(
    "mount, items, key",
    [
        ("gleif", "data", "id"),
        ("zerobounce-bulk", "email_batch", "address"),
        ("postcodes-io", "result", "query"),
    ],
)
async def test_bulk_items_go_missing_come_twice_change_places_and_stray(
    sandbox: RunningSandbox, mount: str, items: str, key: str
) -> None:
    async def keys(mode: str | None) -> list[str]:
        got = await (faulty(sandbox, mount, mode) if mode else ASK[mount](sandbox))
        return [item[key] for item in got.json[items]]

    await sandbox.limit(mount)
    healthy = await keys(None)
    assert await keys("items_missing") == [healthy[0], healthy[2]]
    assert sorted(await keys("items_doubled")) == sorted(healthy * 2)
    assert await keys("items_reordered") == healthy[::-1]
    strayed = await keys("items_foreign")
    assert strayed[1:] == healthy[1:]
    assert strayed[0] not in healthy


async def test_a_cut_without_a_length_looks_complete(sandbox: RunningSandbox) -> None:
    got = await faulty(sandbox, "vies", "cut_undeclared")
    assert got.status == 200
    assert got.body.startswith(b'{"countryCode"')
    assert not got.body.endswith(b"}")


async def test_a_reset_in_mid_body_shows_half_of_it(sandbox: RunningSandbox) -> None:
    await sandbox.fault("vies", "reset_mid_body")
    body = {"countryCode": "FR", "vatNumber": "88100000009"}
    url = sandbox.url("vies", "/check-vat-number")
    async with sandbox.session.post(url, json=body) as answer:
        assert answer.status == 200
        assert await answer.content.readexactly(20)
        with pytest.raises(aiohttp.ClientError):
            await answer.read()


async def test_latency_and_drip_take_their_time(sandbox: RunningSandbox) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    got = await faulty(sandbox, "twilio", "latency", delay_ms=100, jitter_ms=20)
    assert loop.time() - began >= 0.1
    assert got.json["valid"] is True
    began = loop.time()
    got = await faulty(sandbox, "postcodes-io", "drip", delay_ms=1)
    assert got.json["status"] == 200
    assert loop.time() - began >= len(got.body) * 0.001


async def test_a_huge_answer_is_sent_only_as_far_as_it_is_read(sandbox: RunningSandbox) -> None:
    for mode, size in (("huge", HUGE_BYTES), ("gzip_bomb", len(bomb()))):
        await sandbox.fault("twilio", mode)
        url = sandbox.url("twilio", "/v2/PhoneNumbers/+442079460001")
        async with sandbox.session.get(url, headers=asking.BASIC) as answer:
            assert int(answer.headers["Content-Length"]) >= size
            assert await answer.content.read(1000)
            answer.close()
    assert (await sandbox.statistics("twilio"))["calls"] == 2


def test_a_gzip_bomb_is_small_and_inflates_to_json() -> None:
    assert len(bomb()) < 500_000
    inflated = gzip.decompress(bomb())
    assert len(inflated) > HUGE_BYTES
    assert inflated.startswith(b'{"padding":"')
    assert inflated.endswith(b'"}')


async def test_share_count_after_and_prefix_choose_the_calls(sandbox: RunningSandbox) -> None:
    async def statuses(number: int, value: str = "FR88100000009") -> list[int]:
        return [(await asking.vies(sandbox, value)).status for _ in range(number)]

    await sandbox.fault("vies", "status_503", after=1, count=2)
    assert await statuses(5) == [200, 503, 503, 200, 200]
    await sandbox.fault("vies", "status_503", share=0.5, seed=7)
    first = await statuses(40)
    assert 8 <= first.count(503) <= 32
    await sandbox.fault("vies", "status_503", share=0.5, seed=7)
    assert await statuses(40) == first
    await sandbox.fault("vies", "status_503", prefix="DE")
    assert await statuses(2) == [200, 200]
    assert await statuses(1, "DE100001003") == [503]
    await sandbox.faults("vies", {"mode": "status_500", "count": 1}, {"mode": "status_502"})
    assert await statuses(2) == [500, 502]
    await sandbox.faults("vies")
    assert await statuses(1) == [200]


@pytest.mark.parametrize(
    "body, why",
    [
        ({"mode": "explode"}, "no fault mode 'explode'"),
        ({"mode": "hang", "share": "all"}, "not a fault"),
        ({"mode": "latency", "delay_ms": 10**9}, "delay_ms"),
        ([], None),
    ],
)
async def test_a_mistaken_fault_is_explained(
    sandbox: RunningSandbox, body: object, why: str | None
) -> None:
    url = f"{sandbox.http}/_control/vies/fault"
    async with sandbox.session.post(url, json=body) as answer:
        content = await answer.json()
        assert answer.status == (400 if why else 200)
        assert why is None or why in content["error"]

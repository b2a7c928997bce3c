"""Whoever operates Assay sees which provider fails, why, since when and until when."""

import asyncio
from datetime import datetime
from typing import Any

import pytest

from gateway.cli.catalogue import show_providers
from gateway.cli.documents import PROVIDERS
from tests.assay_process import CLOSED_DNS, Client, Living, Sections, living
from tests.sandbox_process import RunningSandbox

OPENS_S = 10.0
PROBE_CALLS_MAX = 4
"""A probe or two, and the witness about each."""


async def shown(assay: Living) -> dict[str, Any]:
    answer = await assay.ask(PROVIDERS)
    assert "errors" not in answer, answer
    return {one["name"]: one for one in answer["data"]["providers"]}


async def test_an_open_breaker_is_shown(
    sandbox: RunningSandbox, usual: Sections, capsys: pytest.CaptureFixture[str]
) -> None:
    await sandbox.fault("zerobounce", "no_credit", after=2)
    zerobounce = {**usual["providers"]["zerobounce"], "price": "0.01", "concurrency": 1}
    settings = {**usual, "providers": {**usual["providers"], "zerobounce": zerobounce}}
    emails = [{"email": f"m{number}@b.example.org"} for number in range(9)]
    async with living(settings) as assay:
        before = await shown(assay)
        payload = await assay.validate("results { email { mailbox { deliverable } } }", emails)
        after = await shown(assay)
    assert len(payload["results"]) == 9
    assert {one["breaker"] for one in before.values()} == {"CLOSED"}
    mailboxes = after["zerobounce"]
    assert mailboxes["breaker"] == "OPEN"
    assert {one["bulk"] for one in mailboxes["openBreakers"]} == {True, False}
    for one in mailboxes["openBreakers"]:
        assert (one["reason"], one["partition"]) == ("OUT_OF_CREDIT", None)
        since, until = (datetime.fromisoformat(one[name]) for name in ("since", "until"))
        assert 0.9 < (until - since).total_seconds() < 1.1
    assert mailboxes["calls"] == mailboxes["callsToday"] == 3
    assert mailboxes["costToday"] == "0.02"
    (failure,) = [one for one in mailboxes["failures"] if one["code"] == "OUT_OF_CREDIT"]
    assert failure["share"] > 0
    assert mailboxes["errorRate"] == pytest.approx(1 / 3)
    assert mailboxes["latencyP50Ms"] <= mailboxes["latencyP95Ms"]
    show_providers(list(after.values()))
    said = capsys.readouterr().out
    assert "zerobounce: the breaker of its calls is open since" in " ".join(said.split())


async def test_a_member_state_that_is_down_is_named(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    await sandbox.control("POST", "vies/availability", {"DE": "Unavailable"})
    germans = ["DE136695976", "DE811569869", "DE129273398", "DE811128135", "DE812871812"]
    async with living(usual) as assay:
        payload = await assay.validate(
            "results { vatNumber { status reasons { code retryable } } }",
            [{"vatNumber": number} for number in germans],
        )
        vies = (await shown(assay))["vies"]
    reasons = [one["vatNumber"]["reasons"] for one in payload["results"]]
    assert reasons == [[{"code": "SOURCE_UNAVAILABLE", "retryable": True}]] * 5
    assert [one["partition"] for one in vies["openBreakers"]] == ["DE"]
    assert vies["openBreakers"][0]["reason"] == "SOURCE_UNAVAILABLE"


async def test_what_is_of_today_is_counted_over_all_processes(
    sandbox: RunningSandbox, pair: tuple[Client, Client]
) -> None:
    """Two real processes: each shows what both did; failures and their shares, too."""

    async def today(client: Client) -> tuple[int, int]:
        answer = await client.ask(PROVIDERS)
        (lei,) = [one for one in answer["data"]["providers"] if one["name"] == "gleif"]
        failures = {one["code"]: one["count"] for one in lei["failures"]}
        assert lei["failures"] == [] or lei["errorRate"] is not None
        return lei["callsToday"], failures.get("PROVIDER_PROTOCOL", 0)

    calls, failed = await today(pair[0])
    lookups = [f"SBOX00ISSUED{number:06}" for number in (7301, 7302, 7303)]
    await pair[0].validate("results { status }", [{"lei": canonical(lookups[0])}])
    await sandbox.fault("gleif", "malformed")
    for client, lei in zip(pair, lookups[1:], strict=True):
        await client.validate("results { status }", [{"lei": canonical(lei)}])
    made = len(await sandbox.log("gleif"))
    assert made >= 3
    async with asyncio.timeout(10):
        while {await today(one) for one in pair} != {(calls + made, failed + 2)}:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.1)


def canonical(stem: str) -> str:
    """Return the LEI that begins so, with its check digits."""
    digits = "".join(str(int(one, 36)) for one in f"{stem}00")
    return f"{stem}{98 - int(digits) % 97:02}"


async def test_a_dead_resolver_is_shown_and_costs_no_time_any_more(usual: Sections) -> None:
    gateway = {**usual["gateway"], "nameservers": [CLOSED_DNS]}
    emails = [{"email": f"m@b{number}.example.org"} for number in range(300)]
    async with living({**usual, "gateway": gateway, "dns": {"timeout": 0.1}}) as assay:
        domains = "results { email { domain { mx } reasons { code retryable } } }"
        await assay.validate("results { email { domain { mx } } }", emails[:20])
        async with asyncio.timeout(OPENS_S):
            while (await shown(assay))["dns"]["breaker"] == "CLOSED":  # noqa: ASYNC110 - shown
                await asyncio.sleep(0.01)
        calls = (await shown(assay))["dns"]["calls"]
        payload = await assay.validate(domains, emails)
        dns = (await shown(assay))["dns"]
    assert [one["reason"] for one in dns["openBreakers"]] == ["SOURCE_UNAVAILABLE"]
    assert dns["calls"] - calls <= PROBE_CALLS_MAX
    codes = [
        (why["code"], why["retryable"])
        for one in payload["results"]
        for why in one["email"]["reasons"]
    ]
    assert ("SOURCE_UNAVAILABLE", True) in codes

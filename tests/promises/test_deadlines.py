"""Deadlines and freshness: an answer comes in time, and what is learnt late is not lost."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.assay_process import HASH_KEY, Living, Record, Sections, living
from tests.sandbox_process import RunningSandbox

SELECTION = """
results {
  status
  verdicts {
    source decidedAt expiresAt
    reasons { code check retryable }
    outcomes { check conclusion provider foundAt expiresAt }
  }
}
usage { callsMade savedByCache }
"""
VAT: list[Record] = [{"vatNumber": "FR88100000009"}]
SLOW_MS = 1500
IN_TIME_S_MAX = 1.2
"""200 ms, and what a busy machine adds."""
MINUTE_S, DAY_S = 60.0, 86_400.0


def outcome_of(payload: Any, check: str) -> Any:  # noqa: ANN401, JSON
    (found,) = [
        one for one in payload["results"][0]["verdicts"][0]["outcomes"] if one["check"] == check
    ]
    return found


def kept_s(outcome: Any) -> float:  # noqa: ANN401, JSON
    """Return for how many seconds an outcome is kept."""
    found_at, expires_at = (
        datetime.fromisoformat(outcome[name]) for name in ("foundAt", "expiresAt")
    )
    return (expires_at - found_at).total_seconds()


async def until_answered(sandbox: RunningSandbox, mount: str) -> None:
    async with asyncio.timeout(5):
        while (await sandbox.statistics(mount))["in_flight"]:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)


async def test_a_slow_service_does_not_hold_up_the_answer(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    """What came late is known the next time: no second call."""
    await sandbox.latency("vies", SLOW_MS)
    loop = asyncio.get_running_loop()
    async with living(usual) as assay:
        started = loop.time()
        late = await assay.validate(SELECTION, VAT, deadlineMs=200)
        took_s = loop.time() - started
        await until_answered(sandbox, "vies")
        await asyncio.sleep(0.1)
        then = await assay.validate(SELECTION, VAT)
    assert 0.19 < took_s < IN_TIME_S_MAX
    (verdict,) = late["results"][0]["verdicts"]
    assert late["results"][0]["status"] == "UNKNOWN"
    assert verdict["reasons"] == [{"code": "DEADLINE", "check": "registry", "retryable": True}]
    assert verdict["expiresAt"] is None
    assert then["results"][0]["status"] == "VALID"
    assert then["usage"] == {"callsMade": 0, "savedByCache": 1}
    assert await sandbox.values_asked("vies") == ["FR88100000009"]


async def test_who_asks_while_it_is_being_asked_waits_for_the_same_answer(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    await sandbox.latency("vies", SLOW_MS)
    async with living(usual) as assay:
        await assay.validate(SELECTION, VAT, deadlineMs=100)
        then = await assay.validate(SELECTION, VAT)
    assert then["results"][0]["status"] == "VALID"
    assert await sandbox.values_asked("vies") == ["FR88100000009"]


async def test_the_fast_part_of_a_request_is_whole_at_the_deadline(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    await sandbox.latency("vies", SLOW_MS)
    records: list[Record] = [
        *VAT,
        {"lei": "SBOX00ISSUED00000047"},
        {"iban": "DE89370400440532013000"},
    ]
    async with living(usual) as assay:
        payload = await assay.validate("results { status }", records, deadlineMs=900)
    assert [one["status"] for one in payload["results"]] == ["UNKNOWN", "VALID", "VALID"]


async def test_a_limit_that_leaves_no_room_is_told_at_once(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    vies = {**usual["providers"]["vies"], "rates": ["1/m"]}
    settings = {**usual, "providers": {**usual["providers"], "vies": vies}}
    loop = asyncio.get_running_loop()
    async with living(settings) as assay:
        await assay.validate(SELECTION, VAT)
        started = loop.time()
        payload = await assay.validate(SELECTION, [{"vatNumber": "IT10000100106"}], deadlineMs=3000)
        took_s = loop.time() - started
    (reason,) = payload["results"][0]["verdicts"][0]["reasons"]
    assert reason == {"code": "RATE_LIMITED", "check": "registry", "retryable": True}
    assert took_s < 3
    assert len(await sandbox.log("vies")) == 1


TTL = {"confirmed": 3000, "refuted": 2000, "doubtful": 1000, "undecided": 7}
BY_CONCLUSION = [
    ("SBOX00ISSUED00000047", "CONFIRMED", 3000),
    ("SBOX00MISSING0000003", "REFUTED", 2000),
    ("SBOX00LAPSED00000088", "DOUBTFUL", 1000),
    ("SBOX00NEWWORD0000057", "UNDECIDED", 7),
]


@pytest.mark.parametrize("lei, conclusion, seconds", BY_CONCLUSION)
@pytest.mark.parametrize("where", ["cache", "checks"])
async def test_outcomes_are_kept_as_configured(
    lei: str, conclusion: str, seconds: float, where: str, usual: Sections
) -> None:
    """For all checks, or for one that says otherwise."""
    settings = {**usual, "cache": {"hash_key": HASH_KEY, "ttl": TTL}}
    if where == "checks":
        settings = {**usual, "checks": {"lei": {"registry": {"ttl": TTL}}}}
    async with living(settings) as assay:
        payload = await assay.validate(SELECTION, [{"lei": lei}])
    outcome = outcome_of(payload, "registry")
    assert outcome["conclusion"] == conclusion
    assert kept_s(outcome) == pytest.approx(seconds)
    assert payload["results"][0]["verdicts"][0]["expiresAt"] == outcome["expiresAt"]


async def test_a_failure_is_kept_for_seconds(sandbox: RunningSandbox, usual: Sections) -> None:
    await sandbox.fault("vies", "status_503")
    async with living(usual) as assay:
        payload = await assay.validate(SELECTION, VAT)
        again = await assay.validate(SELECTION, VAT)
    assert kept_s(outcome_of(payload, "registry")) <= 5
    assert again["usage"] == {"callsMade": 0, "savedByCache": 1}
    assert len(await sandbox.log("vies")) == 1


async def test_what_is_not_worth_keeping_is_asked_again(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    """No TTL, or an UNDECIDED that asking again would not change."""
    nothing = dict.fromkeys(TTL, 0)
    settings = {**usual, "cache": {"hash_key": HASH_KEY, "ttl": nothing}}
    async with living(settings) as assay:
        for _ in range(2):
            payload = await assay.validate(SELECTION, VAT)
            assert outcome_of(payload, "registry")["expiresAt"] is None
    assert len(await sandbox.log("vies")) == 2
    async with living(usual) as assay:
        for _ in range(2):
            payload = await assay.validate(SELECTION, [{"vatNumber": "DE100002014"}])
            assert outcome_of(payload, "registry")["expiresAt"] is None
            assert payload["results"][0]["verdicts"][0]["reasons"][0]["retryable"] is False
    assert len(await sandbox.log("vies")) == 4


async def ages(assay: Living, *max_ages: str | None) -> list[str]:
    """Return where the answer came from, for each of these bounds of its age."""
    return [
        (await assay.validate(SELECTION, VAT, maxAge=one))["results"][0]["verdicts"][0]["source"]
        for one in max_ages
    ]


async def test_max_age_asks_anew_what_is_older(sandbox: RunningSandbox, usual: Sections) -> None:
    async with living(usual) as assay:
        sources = await ages(assay, None, None, "PT1H", "PT0S", "P999999999D", None)
        await asyncio.sleep(0.3)
        sources += await ages(assay, "PT0.2S", "PT0.2S")
    assert sources == [
        *("PROVIDER", "CACHE", "CACHE", "PROVIDER", "CACHE", "CACHE"),
        *("PROVIDER", "CACHE"),
    ]
    async with living(usual) as assay:
        await asyncio.sleep(0.3)
        assert await ages(assay, "PT0.2S", "PT1H") == ["PROVIDER", "CACHE"]
    assert len(await sandbox.log("vies")) == 4


async def test_an_answer_of_the_dns_is_kept_within_bounds(usual: Sections) -> None:
    """The records' own time to live, at least half a minute and at most a day; a no 5 minutes."""
    async with living(usual) as assay:
        for email, least_s, most_s in (
            ("ada@one.example.org", MINUTE_S / 2, DAY_S),
            ("ada@a-only.example.net", MINUTE_S / 2, 5 * MINUTE_S),
            ("ada@nxdomain.example.net", 5 * MINUTE_S, 5 * MINUTE_S),
        ):
            outcome = outcome_of(await assay.validate(SELECTION, [{"email": email}]), "domain")
            assert least_s <= kept_s(outcome) + 0.001, email
            assert kept_s(outcome) <= most_s + 0.001, email


async def test_a_verdict_expires_with_the_first_of_its_facts(usual: Sections) -> None:
    async with living(usual) as assay:
        payload = await assay.validate(SELECTION, [{"email": "ada@one.example.org"}])
    (verdict,) = payload["results"][0]["verdicts"]
    first = min(one["expiresAt"] for one in verdict["outcomes"] if one["expiresAt"])
    assert verdict["expiresAt"] == first
    assert datetime.fromisoformat(verdict["decidedAt"]) <= datetime.now(UTC)

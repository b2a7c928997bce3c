"""Never invalid because a service was down: a failure says nothing about the value.

Every fault that the sandbox can make, at every service at once, through the whole way: what can't
be learnt is UNKNOWN with a documented reason, and whatever else is in the request keeps its
verdict.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.app import STAND_INS
from sandbox.domains import FAULTS as DNS_FAULTS
from sandbox.faults import MODES
from tests.assay_process import CLOSED, EVERY_MOUNT, MOUNTS, Record, Sections, living
from tests.sandbox_process import RunningSandbox
from verdicts.reason import MEANING, ReasonCode

SELECTION = """
results {
  ref index status
  verdicts {
    kind status normalized reasons { code message check retryable }
    outcomes { check conclusion reasons { code } }
  }
}
"""
GOOD: Mapping[str, Record] = {
    "vies": {"vatNumber": "FR88100000009"},
    "hmrc": {"vatNumber": "GB100000230"},
    "gleif": {"lei": "SBOX00ISSUED00000047"},
    "companies_house": {"company": {"number": "00000101", "jurisdiction": "GB"}},
    "zerobounce": {"email": "valid@example.com"},
    "twilio_lookup": {"phone": {"number": "+442079460001"}},
    "postcodes_io": {"postcode": {"code": "SW1A 2AA", "country": "GB"}},
    "dns_over_https": {"email": "ada@one.example.org"},
    "google_address": {
        "address": {
            "lines": ["1 Premise Street"],
            "locality": "Leeds",
            "postalCode": "LS1 1AA",
            "country": "GB",
        }
    },
}
IN_BULK: Mapping[str, Record] = {
    **{name: GOOD[name] for name in ("gleif", "zerobounce", "postcodes_io")},
    "gleif too": {"lei": "SBOX00LAPSED00000088"},
    "zerobounce too": {"email": "invalid@example.com"},
    "postcodes_io too": {"postcode": {"code": "M32 0JG", "country": "GB"}},
}
TRUTHS = {"gleif too": "RISKY", "zerobounce too": "INVALID"}
NEIGHBOURS: list[Record] = [
    {"ref": "local and good", "iban": "DE89370400440532013000"},
    {"ref": "local and bad", "email": "ada@@example.org"},
    {"ref": "known", "email": "alternate@example.com"},
]
KNOWN = {"local and good": "VALID", "local and bad": "INVALID", "known": "VALID"}
RETRYABLE = {
    "RATE_LIMITED": True,
    "PROVIDER_UNAVAILABLE": True,
    "PROVIDER_PROTOCOL": True,
    "PROVIDER_REFUSED": True,
    "OUT_OF_CREDIT": True,
    "QUOTA_EXHAUSTED": True,
    "SOURCE_UNAVAILABLE": True,
    "LIMITS_UNAVAILABLE": True,
    "DEADLINE": True,
    "REJECTED_BY_PROVIDER": False,
    "NOT_COVERED": False,
}
# A reader may take these: they leave the answer as true as it was.
WHOLE = {"latency", "many_headers", "long_header", "long_integer", "extra_reply"}
# These are words of the contract, whoever says them: no such entry, and a line of no known sort.
OWN_ANSWERS = {
    *((service, "status_404") for service in ("hmrc", "gleif", "companies_house")),
    *((service, "status_404") for service in ("twilio_lookup", "postcodes_io")),
    ("twilio_lookup", "unknown_status"),
}
BIG = {"huge", "gzip_bomb"}
SLOW = {"hang", "drip"}
SHORT_S = 0.4


def records_of(services: Mapping[str, Record]) -> list[Record]:
    return [{"ref": name, **record} for name, record in services.items()]


def with_patience(usual: Sections, timeout_s: float) -> Sections:
    """Return settings in which calls end soon and few values already go in bulk."""
    providers = {
        name: {**one, "timeout": timeout_s}
        | ({"bulk_from": 2} if name in {"gleif", "zerobounce", "postcodes_io"} else {})
        for name, one in usual["providers"].items()
    }
    return {**usual, "providers": providers}


def assert_unknown(result: Any, where: object) -> None:  # noqa: ANN401, JSON
    """Hold a verdict against the rule: UNKNOWN, for a documented reason that says what helps."""
    (verdict,) = result["verdicts"]
    assert result["status"] == verdict["status"] == "UNKNOWN", (where, verdict)
    undecided = [one for one in verdict["outcomes"] if one["conclusion"] == "UNDECIDED"]
    assert len(undecided) == 1, (where, verdict)
    (reason,) = [one for one in verdict["reasons"] if one["check"] == undecided[0]["check"]]
    assert reason["message"] == MEANING[ReasonCode(reason["code"])]
    assert reason["retryable"] == RETRYABLE[reason["code"]], (where, reason)
    assert verdict["normalized"] is not None


def assert_told(result: Any, mode: str, truth: str) -> None:  # noqa: ANN401, JSON
    """Hold one result against what the fault leaves of the `truth`."""
    name = result["ref"]
    if (name, mode) in OWN_ANSWERS:
        return
    if result["status"] == "UNKNOWN" or (mode not in WHOLE and not mode.startswith("items")):
        assert_unknown(result, (name, mode))
    else:
        assert result["status"] == truth, (name, mode)


@pytest.mark.parametrize("mode", sorted(set(MODES) - BIG))
async def test_no_fault_of_any_service_decides_about_a_value(
    mode: str, sandbox: RunningSandbox, usual: Sections
) -> None:
    async with living(with_patience(usual, SHORT_S if mode in SLOW else 5.0)) as assay:
        await assay.validate(SELECTION, NEIGHBOURS)
        async with asyncio.TaskGroup() as group:
            for mount in EVERY_MOUNT:
                group.create_task(sandbox.fault(mount, mode, delay_ms=SHORT_S * 500))
        singly = await assay.validate(SELECTION, [*records_of(GOOD), *NEIGHBOURS])
        for result in singly["results"]:
            if result["ref"] in GOOD:
                assert_told(result, mode, "VALID")
        statuses = {one["ref"]: one["status"] for one in singly["results"]}
        assert {name: statuses[name] for name in KNOWN} == KNOWN
        in_bulk = await assay.validate(SELECTION, records_of(IN_BULK), maxAge="PT0S")
        for result in in_bulk["results"]:
            assert_told(result, mode, TRUTHS.get(result["ref"], "VALID"))


async def test_answers_without_end_are_cut_off(sandbox: RunningSandbox, usual: Sections) -> None:
    async with living(usual) as assay:
        for mode, name in (("huge", "companies_house"), ("gzip_bomb", "vies")):
            await sandbox.fault(MOUNTS[name][0], mode)
            (result,) = (await assay.validate(SELECTION, records_of({name: GOOD[name]})))["results"]
            assert_unknown(result, mode)
            assert result["verdicts"][0]["reasons"][0]["code"] == "PROVIDER_PROTOCOL"


OWN_MODES = [
    (module.NAME, mode) for module in STAND_INS for mode in sorted(module.stand_in().faults)
]
LINE_ALONE = {"package_60600", "package_60620"}
"""The number is valid all the same; only its sort of line is not known."""


async def test_no_service_has_a_failure_of_its_own_that_decides(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    """Each failure meets a gateway of its own: one before it may have opened a breaker."""
    named = {"email": {"domain": {"providers": ["dns_over_https"]}}}
    for name, mode in OWN_MODES:
        if mode in LINE_ALONE:
            continue
        await sandbox.fault(MOUNTS[name][0], mode)
        async with living({**usual, "checks": named}) as assay:
            payload = await assay.validate(
                SELECTION, records_of({name: GOOD[name]}), maxAge="PT0S", deadlineMs=500
            )
        assert_unknown(payload["results"][0], (name, mode))
        await sandbox.faults(MOUNTS[name][0])


@pytest.mark.parametrize("mode", ["servfail", "refused", "timeout", "garbage", "nxdomain"])
async def test_no_failure_of_the_dns_decides_about_an_address(
    mode: str, sandbox: RunningSandbox, usual: Sections
) -> None:
    """The mailbox may still be asked: what it says stays to be seen."""
    assert mode in DNS_FAULTS
    records: list[Record] = [{"ref": "dns", "email": "ada@one.example.org"}]
    async with living({**usual, "dns": {"timeout": 0.2}}) as assay:
        await sandbox.fault("dns", mode)
        selection = SELECTION.replace("ref", "ref email { domain { mx acceptsMail } }", 1)
        payload = await assay.validate(selection, [*records, NEIGHBOURS[0]])
    result, beside = payload["results"]
    assert_unknown(result, mode)
    assert result["email"]["domain"] == {"mx": None, "acceptsMail": None}
    assert beside["status"] == "VALID"


async def test_services_that_cannot_be_reached_at_all(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    """No name, no port, no certificate: nothing was sent, and nothing is said of a value."""
    secrets = dict.fromkeys(("api_key", "api_secret", "client_id", "client_secret"), "throw-away")
    nowhere = [CLOSED, sandbox.http.replace("http:", "https:"), "http://nowhere.invalid"]
    for base_url in nowhere:
        addresses = {"base_url": base_url, "bulk_base_url": base_url}
        providers = {name: one | addresses | secrets for name, one in usual["providers"].items()}
        async with living({**usual, "providers": providers}) as assay:
            payload = await assay.validate(SELECTION, [*records_of(GOOD), NEIGHBOURS[0]])
        *results, beside = payload["results"]
        for result in results:
            assert_unknown(result, base_url)
            assert result["verdicts"][0]["reasons"][-1]["code"] == "PROVIDER_UNAVAILABLE"
        assert beside["status"] == "VALID"


async def test_it_is_over_when_the_service_is_back(
    sandbox: RunningSandbox, usual: Sections
) -> None:
    """An UNKNOWN rests for seconds at most; then the same question gets its answer."""
    brief = {"ttl": {"undecided": 0.2}, "hash_key": "a key for tests, of 32 bytes...."}
    async with living({**usual, "cache": brief}) as assay:
        await sandbox.fault("vies", "status_503")
        down = await assay.validate(SELECTION, records_of({"vies": GOOD["vies"]}))
        assert_unknown(down["results"][0], "down")
        await sandbox.faults("vies")
        await asyncio.sleep(0.25)
        back = await assay.validate(SELECTION, records_of({"vies": GOOD["vies"]}))
    assert back["results"][0]["status"] == "VALID"

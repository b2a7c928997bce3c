"""Outcomes in the shared store: as they were, for as long as they may, or not at all."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import msgspec
import pytest

from cache.claims import Claims
from cache.keys import Keys
from cache.outcomes import ENVELOPE_VERSION, NAMESPACE, WRITE, Envelope, Outcomes
from gateway.valkey import Valkey
from tests.valkey_process import throwaway_valkey
from verdicts.evidence import (
    CompanyRegistration,
    Evidence,
    LeiRegistration,
    MailboxState,
    MailHosts,
    PhoneLine,
    PostcodeArea,
    VatRegistration,
)
from verdicts.outcome import Conclusion, Outcome
from verdicts.reason import ReasonCode, because

NOW = datetime.now(UTC)
KEYS = Keys(b"a key for tests, of 32 bytes....", "email", "mailbox")
EVIDENCE: list[Evidence | None] = [
    None,
    MailHosts(("mx.x.example",), implicit=True),
    MailboxState(deliverable=True, suggestion="ada@example.com"),
    PhoneLine("mobile", "Åse Mobil", "240", "01"),
    VatRegistration("Æ & Co", "1 High Street\nLeeds", "AB-1", NOW),
    LeiRegistration("Ω SE", "ACTIVE", "ISSUED", NOW),
    CompanyRegistration("A", "active", "ltd", date(2020, 2, 29), None, "x", "england"),
    PostcodeArea("England", "London", "Westminster", 51.5, -0.1, 2015, 2),
]


def outcome(evidence: Evidence | None = None, *, for_s: float | None = 60) -> Outcome:
    return Outcome(
        "mailbox",
        Conclusion.DOUBTFUL,
        NOW,
        None if for_s is None else NOW + timedelta(seconds=for_s),
        (because(ReasonCode.CATCH_ALL, "mailbox"),),
        evidence,
        "zerobounce",
        8_000,
    )


async def keep(valkey: Valkey, outcomes: dict[str, Outcome]) -> dict[str, bytes]:
    """Keep `outcomes` as a desk does, and return their digests."""
    digests = {value: KEYS.digest(value) for value in outcomes}
    writes = await Outcomes(valkey.client).write(
        Outcomes(valkey.client).writes(outcomes, digests, NOW)
    )
    await Claims(valkey).settle(list(digests.values()), [True] * len(digests), writes)
    return digests


async def test_every_sort_of_evidence_comes_back_as_it_was(valkey: Valkey) -> None:
    outcomes = {str(at): outcome(one) for at, one in enumerate(EVIDENCE)}
    digests = await keep(valkey, outcomes)
    found = await Outcomes(valkey.client).fetch({**digests, "no": KEYS.digest("no")}, NOW)
    assert found == outcomes


async def test_the_store_forgets_each_at_its_time(valkey: Valkey) -> None:
    digests = await keep(valkey, {"short": outcome(for_s=20), "long": outcome(for_s=500)})
    left_ms = {
        value: cast("int", await valkey.run("PTTL", NAMESPACE + digest))
        for value, digest in digests.items()
    }
    assert 0 < left_ms["short"] <= 20_000 < left_ms["long"] <= 500_000


async def test_what_has_no_time_left_is_not_written(valkey: Valkey) -> None:
    await keep(valkey, {"never": outcome(for_s=None), "over": outcome(for_s=0)})
    assert await valkey.run("KEYS", NAMESPACE + b"*") == []


async def test_what_has_expired_by_our_clock_is_absent(valkey: Valkey) -> None:
    digests = await keep(valkey, {"a": outcome(for_s=60)})
    later = NOW + timedelta(seconds=61)
    assert await Outcomes(valkey.client).fetch(digests, later) == {}


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"nonsense",
        b"\xc1",
        b"\x93\x01",
        msgspec.msgpack.encode(Envelope(ENVELOPE_VERSION + 1, KEYS.digest("a"), outcome())),
        msgspec.msgpack.encode(Envelope(ENVELOPE_VERSION, KEYS.digest("b"), outcome())),
        msgspec.msgpack.encode([ENVELOPE_VERSION, KEYS.digest("a"), ["mailbox", "PERHAPS"]]),
    ],
    ids=["empty", "text", "never used", "cut", "other version", "another's", "other word"],
)
async def test_what_is_not_ours_counts_as_absent(stored: bytes, valkey: Valkey) -> None:
    """A reply to somebody else, another release's form or rubbish never becomes a verdict."""
    digest = KEYS.digest("a")
    await valkey.run("SET", NAMESPACE + digest, stored)
    assert await Outcomes(valkey.client).fetch({"a": digest}, NOW) == {}


async def test_a_store_that_is_away_knows_nothing_and_hurts_nobody(away: Valkey) -> None:
    assert await Outcomes(away.client).fetch({"a": KEYS.digest("a")}, NOW) == {}
    apart = Outcomes(away.client, cast("Any", away.script(WRITE)))
    writes = apart.writes({"a": outcome()}, {"a": KEYS.digest("a")}, NOW)
    assert len(writes) == 1
    assert await apart.write(writes) == ()


async def test_outcomes_may_have_a_server_of_their_own(valkey: Valkey) -> None:
    async with throwaway_valkey() as url:
        other = Valkey(url, 2.0)
        apart = Outcomes(other.client, cast("Any", other.script(WRITE)))
        digests = {"a": KEYS.digest("a"), "b": KEYS.digest("b")}
        outcomes = {"a": outcome(for_s=20), "b": outcome(EVIDENCE[1])}
        assert await apart.write(apart.writes(outcomes, digests, NOW)) == ()
        assert await apart.fetch(digests, NOW) == outcomes
        assert await Outcomes(valkey.client).fetch(digests, NOW) == {}
        await other.close()

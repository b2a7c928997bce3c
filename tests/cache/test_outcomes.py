"""Outcomes in the shared store: as they were, for as long as they may, or not at all."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import msgspec
import pytest

from cache.claims import Claims, Taken
from cache.encryption import OutcomeSeal
from cache.keys import Keys
from cache.outcomes import ENVELOPE_VERSION, NAMESPACE, WRITE, Apart, Outcomes
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


def digests_of(*values: str) -> list[bytes]:
    return KEYS.digests(values)


async def keep(valkey: Valkey, *outcomes: Outcome) -> list[bytes]:
    """Keep `outcomes` as a desk does, and return their digests."""
    claims = Claims(valkey)
    digests = digests_of(*map(str, range(len(outcomes))))
    packed = Outcomes(claims).packed(dict(zip(digests, outcomes, strict=True)), NOW)
    await claims.settle(digests, [False] * len(digests), packed)
    return digests


SEAL, OTHER_SEAL = OutcomeSeal(b"k" * 32), OutcomeSeal(b"o" * 32)


async def test_sealed_outcomes_come_back_and_say_nothing_to_others(valkey: Valkey) -> None:
    claims = Claims(valkey)
    outcomes = [outcome(one) for one in EVIDENCE] + [outcome(EVIDENCE[3])] * 2
    digests = digests_of(*map(str, range(len(outcomes))))
    sealing = Outcomes(claims, seal=SEAL)
    packed = sealing.packed(dict(zip(digests, outcomes, strict=True)), NOW)
    await claims.settle(digests, [False] * len(digests), packed)
    assert await sealing.look(digests, NOW) == outcomes
    assert await sealing.peek(digests, NOW) == outcomes
    kept = [await valkey.run("GET", b"outcome:" + digest) for digest in digests]
    assert len(set(kept)) == len(kept), "equal outcomes are sealed differently"
    assert not any(b"High Street" in cast("bytes", one) for one in kept)
    for other in (Outcomes(claims), Outcomes(claims, seal=OTHER_SEAL)):
        assert await other.peek(digests, NOW) == [None] * len(digests)


async def test_what_an_older_key_has_sealed_or_none_has_is_still_read(valkey: Valkey) -> None:
    claims = Claims(valkey)
    plain, older, newer = digests_of("plain", "older", "newer")
    for digest, seal in ((plain, None), (older, OTHER_SEAL), (newer, SEAL)):
        packed = Outcomes(claims, seal=seal).packed({digest: outcome()}, NOW)
        await claims.settle([digest], [False], packed)
    rotated = Outcomes(claims, seal=OutcomeSeal(b"k" * 32, [b"o" * 32]))
    assert await rotated.peek([plain, older, newer], NOW) == [outcome()] * 3


async def test_a_sealed_outcome_is_of_no_use_elsewhere_or_changed(valkey: Valkey) -> None:
    claims = Claims(valkey)
    sealing = Outcomes(claims, seal=SEAL)
    one, two = digests_of("one", "two")
    await claims.settle([one], [False], sealing.packed({one: outcome()}, NOW))
    kept = cast("bytes", await valkey.run("GET", b"outcome:" + one))
    moved = kept[:1] + two + kept[17:]
    await valkey.run("SET", b"outcome:" + two, moved)
    await valkey.run("SET", b"outcome:" + one, kept[:-1] + bytes([kept[-1] ^ 1]))
    assert await sealing.peek([one, two], NOW) == [None, None]


def apart_on(valkey: Valkey) -> Apart:
    return Apart(valkey.client, cast("Any", valkey.script(WRITE)))


async def test_every_sort_of_evidence_comes_back_as_it_was(valkey: Valkey) -> None:
    outcomes = [outcome(one) for one in EVIDENCE]
    digests = await keep(valkey, *outcomes)
    found = await Outcomes(Claims(valkey)).look([*digests, *digests_of("no")], NOW)
    assert found == [*outcomes, Taken.OURS]


async def test_values_with_the_same_outcome_each_get_it(valkey: Valkey) -> None:
    """One call often found the same of many: it is packed, and read, once."""
    same, other = outcome(EVIDENCE[2]), outcome(EVIDENCE[1])
    digests = await keep(valkey, same, other, same)
    assert await Outcomes(Claims(valkey)).look(digests, NOW) == [same, other, same]


async def test_what_one_call_found_is_one_object_however_far_apart_its_values_come(
    valkey: Valkey,
) -> None:
    found = outcome(for_s=0.3)
    first, second = await keep(valkey, found, found)
    outcomes = Outcomes(Claims(valkey))
    (one,), (other,) = await outcomes.look([first], NOW), await outcomes.look([second], NOW)
    assert one == found
    assert one is other
    outcomes.drop()
    assert (await outcomes.look([first], NOW))[0] is not one
    later = NOW + timedelta(seconds=1)
    assert await outcomes.peek([second], later) == [None], "it is no longer fresh, though known"


async def test_looking_claims_what_is_missing_in_the_same_trip(valkey: Valkey) -> None:
    digests = [*await keep(valkey, outcome()), *digests_of("new")]
    one, other = Outcomes(Claims(valkey)), Outcomes(Claims(valkey))
    assert await one.look(digests, NOW) == [outcome(), Taken.OURS]
    assert await other.look(digests, NOW) == [outcome(), Taken.HELD]


async def test_the_store_forgets_each_at_its_time(valkey: Valkey) -> None:
    digests = await keep(valkey, outcome(for_s=20), outcome(for_s=500))
    short, long = [cast("int", await valkey.run("PTTL", NAMESPACE + digest)) for digest in digests]
    assert 0 < short <= 20_000 < long <= 500_000


async def test_what_has_no_time_left_is_not_written(valkey: Valkey) -> None:
    await keep(valkey, outcome(for_s=None), outcome(for_s=0))
    assert await valkey.run("KEYS", NAMESPACE + b"*") == []


async def test_what_has_expired_by_our_clock_is_asked_anew(valkey: Valkey) -> None:
    digests = await keep(valkey, outcome(for_s=60))
    later = NOW + timedelta(seconds=61)
    assert await Outcomes(Claims(valkey)).look(digests, later) == [Taken.OURS]


def envelope(version: bytes, of: str, packed: bytes) -> bytes:
    return version + KEYS.digest(of) + packed


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"nonsense",
        ENVELOPE_VERSION,
        envelope(ENVELOPE_VERSION, "a", b"")[:-1],
        envelope(ENVELOPE_VERSION, "a", b""),
        envelope(ENVELOPE_VERSION, "a", b"\xc1"),
        envelope(b"\x01", "a", msgspec.msgpack.encode(outcome())),
        envelope(ENVELOPE_VERSION, "b", msgspec.msgpack.encode(outcome())),
        envelope(ENVELOPE_VERSION, "a", msgspec.msgpack.encode(["mailbox", "PERHAPS"])),
    ],
    ids=[
        *("empty", "text", "version", "cut", "without outcome", "never used"),
        *("other version", "another's", "other word"),
    ],
)
async def test_what_is_not_ours_counts_as_absent(stored: bytes, valkey: Valkey) -> None:
    """A reply to somebody else, another release's form or rubbish never becomes a verdict."""
    digest = KEYS.digest("a")
    await valkey.run("SET", NAMESPACE + digest, stored)
    assert await Outcomes(Claims(valkey)).look([digest], NOW) == [Taken.OURS]
    assert await Outcomes(Claims(valkey)).look([digest], NOW) == [Taken.HELD]


async def test_a_store_that_is_away_knows_nothing_and_hurts_nobody(away: Valkey) -> None:
    digests = digests_of("a")
    assert await Outcomes(Claims(away)).look(digests, NOW) == [Taken.OURS]
    apart = Outcomes(Claims(away), apart_on(away))
    assert await apart.look(digests, NOW) == [Taken.OURS]
    packed = apart.packed({digests[0]: outcome()}, NOW)
    assert digests[0] in packed
    assert await apart.write(packed) == b""


async def test_outcomes_may_have_a_server_of_their_own(valkey: Valkey) -> None:
    async with throwaway_valkey() as url:
        other = Valkey(url, 2.0)
        apart = Outcomes(Claims(valkey), apart_on(other))
        digests = digests_of("a", "b", "c")
        outcomes = [outcome(for_s=20), outcome(EVIDENCE[1])]
        packed = apart.packed(dict(zip(digests, outcomes, strict=False)), NOW)
        assert await apart.write(packed) == b""
        assert await apart.look(digests, NOW) == [*outcomes, Taken.OURS]
        assert await valkey.run("KEYS", NAMESPACE + b"*") == []
        await other.close()

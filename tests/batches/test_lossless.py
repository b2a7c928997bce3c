"""Results go into bytes and come back as they were, of every kind, with whatever evidence."""

import random
import types
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any, Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from batches.chunk import Claim, Claimed
from batches.counts import counted
from batches.errors import StoreUnreadable
from batches.results import Results
from checks import email
from checks.declared import DeclaredKind, ExtendedKind, Form, result_class
from checks.kinds import KINDS, KindModule, verdict_class
from questions.deciding import Deciding, Round
from verdicts.evidence import DeclaredFacts, Evidence, MailboxState, MailHosts
from verdicts.facts import Fact, Sort, sheet_of
from verdicts.kind import Check, Kind
from verdicts.outcome import CONFIRMED, DOUBTFUL, Outcome
from verdicts.reason import Reason, ReasonCode, because
from verdicts.rule import worst
from verdicts.verdict import RecordResult, Source, Status

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def fact(name: str, sort: Sort, *, listed: bool = False) -> Fact:
    return Fact(name, name, sort, listed, "")


FACTS = (
    fact("owner", Sort.STRING),
    fact("age", Sort.INT),
    fact("score", Sort.FLOAT),
    fact("active", Sort.BOOLEAN),
    fact("since", Sort.DATE),
    fact("tags", Sort.STRING, listed=True),
)
SYNTAX = Check("syntax", "", local=True)
DECLARED = DeclaredKind(
    Kind("plate", "plate", "", "", (SYNTAX, Check("register", "")), {}),
    Form(),
    [sheet_of("plate", "register", "", FACTS)],
)
EXTENDED = ExtendedKind(email, [Check("hunter", "")], [sheet_of("email", "hunter", "", FACTS)])
ALL_KINDS: tuple[KindModule, ...] = (EXTENDED, *KINDS[1:], DECLARED)


def texts(rnd: random.Random) -> str:
    letters = "abcÄß€\U0001f600\0 ,;'\"\n"
    return "".join(rnd.choices(letters, k=rnd.choice([0, 1, 8])))


def moments(rnd: random.Random) -> datetime:
    return NOW + timedelta(microseconds=rnd.randrange(-(10**15), 10**15))


PLAIN: dict[Any, Callable[[random.Random], Any]] = {
    str: texts,
    int: lambda rnd: rnd.choice([0, 1, -1, rnd.randrange(-(2**53), 2**53)]),
    float: lambda rnd: rnd.choice([0.0, -0.5, 1e300, rnd.random()]),
    bool: lambda rnd: rnd.random() < 0.5,
    type(None): lambda _: None,
    datetime: moments,
    date: lambda rnd: moments(rnd).date(),
}


def any_of(kind: Any, rnd: random.Random) -> Any:  # noqa: ANN401 - a type, and a value of it
    """Return any value of a type."""
    if kind in PLAIN:
        return PLAIN[kind](rnd)
    origin, parts = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return any_of(rnd.choice(parts), rnd)
    if origin in {tuple, list}:
        some = [any_of(parts[0], rnd) for _ in range(rnd.randrange(3))]
        return some if origin is list else tuple(some)
    if origin is dict:
        return {any_of(parts[0], rnd): any_of(parts[1], rnd) for _ in range(rnd.randrange(3))}
    if issubclass(kind, Enum):
        return rnd.choice(list(kind))
    return kind(**{one.name: any_of(one.type, rnd) for one in msgspec.structs.fields(kind)})


Said = tuple[Status, tuple[Reason, ...], tuple[Outcome, ...], datetime, datetime | None, Source]
"""What verdicts of equal findings share."""


def any_said(rnd: random.Random) -> Said:
    parts: Any = get_args(Said)
    status, _, outcomes, decided_at, expires_at, source = (any_of(part, rnd) for part in parts)
    usual = tuple(reason for one in outcomes for reason in one.reasons)
    reasons = rnd.choice([usual, any_of(tuple[Reason, ...], rnd)])
    return status, reasons, outcomes, decided_at, expires_at, source


def any_verdict(module: KindModule, shared: Sequence[Said], rnd: random.Random) -> Any:  # noqa: ANN401 - as above
    """Return any verdict of a kind; what was found is one of `shared`, or its own."""
    made: Any = getattr(module, "verdict_class", None) or verdict_class(module)
    said = rnd.choice([*shared, any_said(rnd)])
    names = ("status", "reasons", "outcomes", "decided_at", "expires_at", "source")
    own = dict(zip(names, said, strict=True)) | {"kind": module.KIND.name}
    verdict = msgspec.structs.replace(any_of(made, rnd), **own)
    same = rnd.random() < 0.5
    return msgspec.structs.replace(verdict, normalized=verdict.input) if same else verdict


def any_results(kinds: Sequence[KindModule], rnd: random.Random) -> list[RecordResult]:
    """Return the results of a few records, each with some of the same few fields."""
    made: Any = result_class(kinds)
    shared = [any_said(rnd) for _ in range(2)]
    modules = rnd.sample(kinds, rnd.choice([1, 1, 2, 4]))
    results: list[RecordResult] = []
    for at in range(rnd.randrange(6)):
        own = [one for one in modules if one is modules[0] or rnd.random() < 0.5]
        verdicts: dict[str, Any] = {
            module.KIND.field: any_verdict(module, shared, rnd) for module in kinds if module in own
        }
        status = worst([one.status for one in verdicts.values()])
        ref = any_of(str | None, rnd)
        results.append(made(ref, 1000 + at, status, verdicts=tuple(verdicts.values()), **verdicts))
    return results


@given(st.integers(0, 2**32), st.sampled_from([KINDS, ALL_KINDS]))
@settings(max_examples=200)
def test_what_is_read_is_what_was_written(seed: int, kinds: Sequence[KindModule]) -> None:
    codec = Results(kinds)
    results = any_results(kinds, random.Random(seed))
    _, again = codec.unpacked(codec.packed(range(len(results)), results), 1000)
    assert again == results
    counts = codec.packed_and_counted(range(len(results)), results)[1]
    assert counts == counted(results)
    assert [type(one) for one in again] == [type(one) for one in results]


@pytest.mark.parametrize("evidence", get_args(Evidence), ids=lambda one: one.__name__)
def test_every_sort_of_evidence_comes_back(evidence: type[Struct]) -> None:
    rnd = random.Random(3)
    for _ in range(30):
        outcome = Outcome("check", CONFIRMED, NOW, NOW, (), any_of(evidence, rnd), "service", 5)
        again = through([result(outcome)])
        assert again[0].verdicts[0].outcomes[-1] == outcome


def result(*outcomes: Outcome, at: int = 0, text: str = "Ada@example.com") -> RecordResult:
    """Return what the judge would say of an address of which `outcomes` were found."""
    examined = email.examine(text)
    rounds = [Round(str, {text.lower(): outcome}) for outcome in outcomes]
    decided = Deciding(rounds, NOW, frozenset()).of(examined)
    verdict = email.verdict(examined, decided)
    return RecordResult(f"r{at}", at, verdict.status, verdict, verdicts=(verdict,))


def through(results: Sequence[RecordResult], first_index: int = 0) -> list[RecordResult]:
    codec = Results(KINDS)
    return codec.unpacked(codec.packed(range(len(results)), results), first_index)[1]


def test_what_verdicts_share_is_written_once_and_shared_again() -> None:
    found = Outcome("mailbox", CONFIRMED, NOW, NOW, (), MailboxState(deliverable=True), "x", 8000)
    examined = [email.examine(f"person.{at}@example.com") for at in range(300)]
    decided = Deciding([Round(lambda _: "all", {"all": found})], NOW, frozenset()).of
    verdicts = [email.verdict(one, decided(one)) for one in examined]
    results = [
        RecordResult(str(at), at, one.status, one, verdicts=(one,))
        for at, one in enumerate(verdicts)
    ]
    apart = [result(msgspec.structs.replace(found), text=one.input) for one in examined]
    assert through(results) == results
    assert len({id(one.verdicts[0].outcomes) for one in through(results)}) == 1
    codec = Results(KINDS)
    places = range(len(results))
    assert len(codec.packed(places, results)) < len(codec.packed(places, apart)) / 3


def test_records_keep_their_places_and_the_order_in_which_they_came() -> None:
    codec = Results(KINDS)
    results = [result(at=at, text=f"a{at}@example.com") for at in range(3)]
    _, again = codec.unpacked(codec.packed([7, 2, 5], results), 500)
    assert [one.index for one in again] == [507, 502, 505]
    assert [one.ref for one in again] == ["r0", "r1", "r2"]


def claimed(parts: Sequence[bytes], **more: Any) -> Claimed:  # noqa: ANN401 - fields of Claimed
    batch: Any = None
    fields: dict[str, Any] = {
        "claim": Claim("b", 0, 1, "w"),
        "batch": batch,
        "first_index": 100,
        "records": 9,
        "given": b"",
        "results": None,
        "reopened": frozenset(),
        "reopened_parts": 0,
        "parts": tuple(parts),
        "attempts": 0,
    }
    return Claimed(**{**fields, **more})


def test_what_is_decided_of_a_chunk_is_what_stands() -> None:
    codec = Results(KINDS)
    good = [result(at=at, text=f"a{at}@example.com") for at in range(2)]
    unknown = result(Outcome("mailbox", DOUBTFUL, reasons=(because(ReasonCode.CATCH_ALL, "m"),)))
    old = codec.packed([0, 3], [good[0], unknown])
    part = codec.packed([4], [unknown])
    new = codec.packed([3], [good[1]])
    assert codec.decided(claimed([])) == []
    whole = codec.decided(claimed([part, new], results=old))
    assert [one.index for one in whole] == [100, 103, 104, 103]
    reopened = {"results": old, "reopened": frozenset({Status.RISKY}), "reopened_parts": 1}
    left = codec.decided(claimed([part, new], **reopened))
    assert [(one.index, one.status) for one in left] == [
        (100, Status.VALID),
        (103, Status.VALID),
    ]


def test_a_kind_that_is_configured_no_longer_still_shows_its_verdict() -> None:
    examined = DECLARED.examine("B-AB 123")
    evidence = DeclaredFacts({"owner": "Ada", "tags": ["a"]})
    found = Outcome("register", CONFIRMED, NOW, NOW, (), evidence, "register", 1)
    decided = Deciding([Round(str, {"B-AB 123": found})], NOW, frozenset()).of(examined)
    verdict = DECLARED.verdict(examined, decided)
    made: Any = result_class(ALL_KINDS)
    written = Results(ALL_KINDS).packed(
        [0], [made("r", 0, verdict.status, plate=verdict, verdicts=(verdict,))]
    )
    (again,) = Results(KINDS).unpacked(written)[1]
    (bare,) = again.verdicts
    assert (bare.kind, bare.input, bare.outcomes) == ("plate", "B-AB 123", verdict.outcomes)


def test_a_fact_that_is_declared_otherwise_now_is_left_out() -> None:
    sheet = sheet_of("plate", "register", "", (fact("owner", Sort.INT),))
    other = DeclaredKind(DECLARED.KIND, Form(), [sheet])
    examined = DECLARED.examine("B-AB 123")
    found = Outcome("register", CONFIRMED, NOW, NOW, (), DeclaredFacts({"owner": "Ada"}), "x", 1)
    decided = Deciding([Round(str, {"B-AB 123": found})], NOW, frozenset()).of(examined)
    verdict = DECLARED.verdict(examined, decided)
    made: Any = result_class([DECLARED])
    written = Results([DECLARED]).packed(
        [0], [made("r", 0, verdict.status, plate=verdict, verdicts=(verdict,))]
    )
    (again,) = Results([other]).unpacked(written)[1]
    assert getattr(again.verdicts[0], "register") is None  # noqa: B009 - a field made at run time


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x93\x01\x02", msgspec.msgpack.encode([9] * 5)])
def test_what_cannot_be_read_is_said_to_be(data: bytes) -> None:
    with pytest.raises(StoreUnreadable):
        Results(KINDS).unpacked(data)


def test_a_newer_format_is_said_to_be_one() -> None:
    newer = msgspec.msgpack.encode([2, 0, b"", None, {}])
    with pytest.raises(StoreUnreadable, match="newer"):
        Results(KINDS).unpacked(newer)


def test_hosts_of_a_domain_are_shared_among_its_addresses() -> None:
    hosts = Outcome("domain", CONFIRMED, NOW, NOW, (), MailHosts(("mx1.example.com",)), "dns")
    results = [result(hosts, at=at, text=f"a{at}@example.com") for at in range(50)]
    assert through(results) == results

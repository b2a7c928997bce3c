"""Records in, verdicts out: each question once, in the order of the policy, and nothing else."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import email, iban, lei
from checks.kinds import load
from questions.judging import EmptyRecordError, Judge
from schema.records import RecordInput
from tests.questions.house import DELIVERABLE, UNREACHABLE, TableProvider, desks, terms
from verdicts.evidence import MailHosts
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because
from verdicts.verdict import RecordResult, Source, Status

BOTH = {"email": ["domain", "mailbox"]}
IBAN = "DE89370400440532013000"
GONE = Found(Conclusion.REFUTED, (because(ReasonCode.DOMAIN_NOT_FOUND, "domain"),))
TAKES_MAIL = Found(Conclusion.CONFIRMED, evidence=MailHosts(("mx.x.example",)))


class Bench(NamedTuple):
    """A judge of e-mail and IBAN, and whom it asks."""

    judge: Judge
    domains: TableProvider
    mailboxes: TableProvider


@pytest.fixture(autouse=True)
def tables() -> None:
    """Read what the kinds need, as a start does: a loop must not be held up by it."""
    load()


@pytest.fixture
async def bench(valkey_url: str) -> AsyncGenerator[Bench]:
    table = {"x.example": TAKES_MAIL, "y.example": TAKES_MAIL, "gone.example": GONE}
    domains, mailboxes = TableProvider(table=table), TableProvider()
    async with desks(valkey_url) as new:
        asked = {
            ("email", "domain"): new(domains, check="domain"),
            ("email", "mailbox"): new(mailboxes),
        }
        policies = {"email": ["domain", "mailbox"], "iban": [], "lei": []}
        yield Bench(Judge((email, iban, lei), asked, policies), domains, mailboxes)


def emails(*values: str | None) -> list[RecordInput]:
    return [RecordInput(ref=str(at), email=value) for at, value in enumerate(values)]


def statuses(results: Sequence[RecordResult]) -> list[str]:
    return [one.status.value for one in results]


async def test_results_come_in_the_order_of_the_records(bench: Bench) -> None:
    values = ["b@x.example", "no@", "a@x.example", "c@gone.example", "b@x.example"]
    results = await bench.judge.judge(emails(*values), BOTH, terms())
    assert [(one.ref, one.index) for one in results] == [(str(at), at) for at in range(5)]
    assert [one.email.input for one in results if one.email] == values
    assert statuses(results) == ["VALID", "INVALID", "VALID", "INVALID", "VALID"]


async def test_each_part_is_asked_once_and_the_refuted_no_further(bench: Bench) -> None:
    wants = terms()
    await bench.judge.judge(
        emails("a@x.example", "B@X.example", "b@x.example", "c@gone.example", "no@"), BOTH, wants
    )
    assert sorted(bench.domains.asked) == ["gone.example", "x.example"]
    assert sorted(bench.mailboxes.asked) == ["a@x.example", "b@x.example"]
    usage = wants.usage
    assert (usage.records, usage.values_asked) == (5, 4)
    assert usage.saved_by_local_checks == 2
    assert usage.saved_by_dedupe == 3  # one text twice by two checks, one domain of two mailboxes


async def test_only_what_is_wanted_is_asked(bench: Bench) -> None:
    results = await bench.judge.judge(emails("a@x.example"), {"email": ["mailbox"]}, terms())
    assert (bench.domains.asked, bench.mailboxes.asked) == ([], ["a@x.example"])
    results += await bench.judge.judge(emails("a@x.example"), {}, terms())
    assert [one.email.source for one in results if one.email] == [Source.PROVIDER, Source.LOCAL]


async def test_an_empty_record_is_refused_before_anybody_is_asked(bench: Bench) -> None:
    for records, index in (
        (emails("a@x.example", None), 1),
        (emails(None), 0),
        ([RecordInput(email="a@x.example"), RecordInput(iban=IBAN), RecordInput(ref="r")], 2),
    ):
        with pytest.raises(EmptyRecordError) as error:
            await bench.judge.judge(records, BOTH, terms())
        assert error.value.index == index
    assert bench.domains.asked == []
    assert await bench.judge.judge([], BOTH, terms()) == []


async def test_a_record_is_as_good_as_its_worst_field(bench: Bench) -> None:
    """And a field that a record lacks says nothing of it."""
    records = [
        RecordInput(email="a@x.example", iban=IBAN),
        RecordInput(email="a@x.example", iban="DE00"),
        RecordInput(iban=IBAN),
        RecordInput(email="c@gone.example"),
        RecordInput(email="", iban=IBAN),
    ]
    results = await bench.judge.judge(records, BOTH, terms())
    assert statuses(results) == ["VALID", "INVALID", "VALID", "INVALID", "INVALID"]
    assert [len(one.verdicts) for one in results] == [2, 2, 1, 1, 2]
    assert results[2].email is None


async def test_a_failure_is_unknown_and_is_not_remembered_beyond_its_time(bench: Bench) -> None:
    bench.mailboxes.table["a@x.example"] = UNREACHABLE
    (result,) = await bench.judge.judge(emails("a@x.example"), BOTH, terms())
    assert result.status is Status.UNKNOWN
    assert result.email is not None
    assert result.email.expires_at is not None
    assert [(one.code, one.retryable) for one in result.email.reasons] == [
        (ReasonCode.PROVIDER_UNAVAILABLE, True)
    ]


async def test_a_deadline_leaves_what_is_known(bench: Bench) -> None:
    """The part that came in time is shown, and the rest is there the next time."""
    bench.mailboxes.gate.clear()
    (late,) = await bench.judge.judge(emails("a@x.example"), BOTH, terms(within_s=1.0))
    assert late.email is not None
    assert late.email.domain is not None
    assert late.email.domain.mx == ("mx.x.example",)
    assert [one.code for one in late.email.reasons] == [ReasonCode.DEADLINE]
    bench.mailboxes.gate.set()
    (then,) = await bench.judge.judge(emails("a@x.example"), BOTH, terms())
    assert then.status is Status.VALID
    assert bench.mailboxes.asked == ["a@x.example"]


async def test_concurrent_requests_do_not_mix(bench: Bench) -> None:
    values = [[f"{who}{at}@x.example" for at in range(who + 1)] for who in range(8)]
    wants = [terms() for _ in values]
    answers = await asyncio.gather(
        *(
            bench.judge.judge(emails(*one), BOTH, want)
            for one, want in zip(values, wants, strict=True)
        )
    )
    for asked, results in zip(values, answers, strict=True):
        assert [one.email.input for one in results if one.email] == asked
    assert sum(one.usage.values_asked for one in wants) == 36 + 1
    assert len(bench.mailboxes.asked) == len(set(bench.mailboxes.asked)) == 36


@given(st.data())
def test_no_failure_makes_a_value_invalid_and_no_refutation_is_lost(data: st.DataObject) -> None:
    """Whatever the two checks say, in any mixture: the rule of verdicts, through the judge."""
    founds = st.sampled_from([DELIVERABLE, UNREACHABLE, GONE, Found(Conclusion.DOUBTFUL)])
    domain, mailbox = data.draw(founds), data.draw(founds)

    async def judged() -> tuple[RecordResult, list[str]]:
        domains = TableProvider(table={"x.example": domain})
        mailboxes = TableProvider(table={"a@x.example": mailbox})
        async with desks("unix:///nonexistent/valkey.sock") as new:
            asked = {
                ("email", "domain"): new(domains, check="domain"),
                ("email", "mailbox"): new(mailboxes),
            }
            judge = Judge((email,), asked, {"email": ["domain", "mailbox"]})
            (result,) = await judge.judge(emails("a@x.example"), BOTH, terms())
            return result, mailboxes.asked

    result, asked = asyncio.run(judged())
    conclusions = [domain.conclusion]
    if domain.conclusion is not Conclusion.REFUTED:
        assert asked == ["a@x.example"]
        conclusions.append(mailbox.conclusion)
    if Conclusion.REFUTED in conclusions:
        assert result.status is Status.INVALID
    elif Conclusion.UNDECIDED in conclusions:
        assert result.status is Status.UNKNOWN
    else:
        doubtful = Conclusion.DOUBTFUL in conclusions
        assert result.status is (Status.RISKY if doubtful else Status.VALID)


async def test_what_is_outside_the_policy_comes_after_it_and_decides_nothing(
    bench: Bench, valkey_url: str
) -> None:
    """An earlier check that refutes would keep the policy from being asked."""
    async with desks(valkey_url) as new:
        asked = {
            ("email", "domain"): new(bench.domains, check="domain"),
            ("email", "mailbox"): new(bench.mailboxes),
        }
        judge = Judge((email,), asked, {"email": ["mailbox"]})
        (result,) = await judge.judge(emails("a@gone.example"), BOTH, terms())
    assert result.status is Status.VALID
    assert result.email is not None
    assert [one.check for one in result.email.outcomes][-2:] == ["mailbox", "domain"]
    assert result.email.outcomes[-1].conclusion is Conclusion.REFUTED
    assert result.email.reasons == ()

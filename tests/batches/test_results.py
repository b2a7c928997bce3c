"""What is packed of results comes back as it was, whatever the records had."""

from collections.abc import AsyncGenerator, Sequence
from datetime import date

import pytest
from msgspec.structs import replace

from batches.counts import counted
from batches.errors import StoreUnreadable
from batches.results import Results
from checks.declared import DeclaredKind, Form
from checks.kinds import KINDS
from questions.judging import Judge
from schema.records import AddressInput, CompanyInput, PhoneInput, RecordInput
from tests.questions.house import TableProvider, desks, terms
from verdicts.evidence import CompanyRegistration, DeclaredFacts, MailHosts, VatRegistration
from verdicts.facts import Fact, Sort, sheet_of
from verdicts.kind import Check, Kind
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because
from verdicts.verdict import RecordResult, Source, Status

VAT = Found(Conclusion.CONFIRMED, evidence=VatRegistration("Oakline SA", None, "WAPI1"))
COMPANY = Found(
    Conclusion.DOUBTFUL,
    (because(ReasonCode.IN_INSOLVENCY, "registry"),),
    CompanyRegistration("Oakline", "insolvent", incorporated_on=date(1999, 12, 31)),
)
HOSTS = Found(Conclusion.CONFIRMED, evidence=MailHosts(("mx1.x.example", "mx2.x.example")))
NOTHING = Found(Conclusion.UNDECIDED, (because(ReasonCode.SOURCE_UNAVAILABLE, "mailbox"),))


@pytest.fixture
async def judge(tables: None, valkey_url: str) -> AsyncGenerator[Judge]:
    del tables
    async with desks(valkey_url) as new:
        answers = {
            "domain": TableProvider(table={"x.example": HOSTS}),
            "mailbox": TableProvider(table={"b@x.example": NOTHING}),
            "registry": TableProvider(table={"NL859470001B01": VAT, "GB:00000006": COMPANY}),
        }
        asked = {
            (module.KIND.name, check.name): new(
                answers.get(check.name, answers["mailbox"]), check=check.name
            )
            for module in KINDS
            for check in module.KIND.asked
        }
        policies = {m.KIND.name: [one.name for one in m.KIND.asked] for m in KINDS}
        yield Judge(KINDS, asked, policies)


RECORDS = [
    RecordInput(ref="1", email="A@x.example"),
    RecordInput(email="b@x.example", iban="DE89 3704 0044 0532 0130 00"),
    RecordInput(ref="3", phone=PhoneInput(number="020 7946 0018", region="GB")),
    RecordInput(ref="4", email="nobody", vat_number="NL859470001B01"),
    RecordInput(
        company=CompanyInput(name="Oakline", number="6", jurisdiction="GB"),
        address=AddressInput(lines=["1 High Street"], country="GB"),
    ),
    RecordInput(email="A@x.example"),
]


async def judged(judge: Judge, records: Sequence[RecordInput]) -> list[RecordResult]:
    needs = {module.KIND.field: judge.policies[module.KIND.name] for module in KINDS}
    return await judge.judge(records, needs, terms())


async def test_every_kind_comes_back_as_it_was(judge: Judge) -> None:
    results = await judged(judge, RECORDS)
    codec = Results(KINDS)
    places, found = codec.unpacked(codec.packed(range(len(results)), results))
    assert found == results
    assert list(places) == list(range(len(results)))
    assert {one.status for one in results} >= {Status.INVALID, Status.UNKNOWN, Status.RISKY}


async def test_places_and_indices_are_those_of_the_chunk(judge: Judge) -> None:
    results = await judged(judge, RECORDS)
    codec = Results(KINDS)
    scattered = [7, 3, 4, 11, 0, 2]
    places, found = codec.unpacked(codec.packed(scattered, results), first_index=1000)
    assert list(places) == scattered
    assert [one.index for one in found] == [1000 + place for place in scattered]
    assert [replace(one, index=0) for one in found] == [replace(one, index=0) for one in results]


async def test_one_field_and_what_was_remembered_of_it(judge: Judge) -> None:
    """The same outcomes may come from a provider for one record, from memory for the next."""
    emails = [RecordInput(email=f"u{at % 30}@x.example") for at in range(100)]
    first, again = await judged(judge, emails), await judged(judge, emails)
    results = [*first, *again]
    assert {one.verdicts[0].source for one in results} == {Source.PROVIDER, Source.CACHE}
    codec = Results(KINDS)
    places, found = codec.unpacked(codec.packed(range(200), results))
    assert [replace(one, index=0) for one in found] == [replace(one, index=0) for one in results]
    assert codec.statuses(codec.packed(range(200), results)) == [one.status for one in results]
    assert places == range(200)


async def test_what_is_shared_is_written_once(judge: Judge) -> None:
    """Each value has its own text; what one call found of all stands once."""
    emails = [RecordInput(email=f"u{at}@x.example") for at in range(100)]
    results = await judged(judge, emails)
    packed = Results(KINDS).packed(range(100), results)
    assert packed.count(b"mailbox") < 10


async def test_results_are_counted_as_they_are_packed(judge: Judge) -> None:
    emails = [RecordInput(email=f"{'abn'[at % 3]}{at % 2 * '@x.example'}") for at in range(90)]
    for records in (emails, RECORDS):
        results = await judged(judge, records)
        blob, counts = Results(KINDS).packed_and_counted(range(len(results)), results)
        assert counts == counted(results)
        assert blob == Results(KINDS).packed(range(len(results)), results)


def declared() -> DeclaredKind:
    fact = Fact("since", "since", Sort.DATE, listed=False, description="")
    sheet = sheet_of("partNumber", "stock", "", (fact,))
    checks = (Check("syntax", "", local=True), Check("stock", ""))
    kind = Kind("partNumber", "part_number", "", "", checks, {})
    return DeclaredKind(kind, Form(), [sheet])


async def test_a_declared_kind_comes_back_too(valkey_url: str) -> None:
    known = Found(Conclusion.CONFIRMED, evidence=DeclaredFacts({"since": "2020-02-29"}))
    module = declared()
    async with desks(valkey_url) as new:
        asked = {("partNumber", "stock"): new(TableProvider(table={"A1": known}), check="stock")}
        judge = Judge((module,), asked, {"partNumber": ["stock"]})

        class Given:
            ref = None
            part_number = "A1"

        results = await judge.judge([Given()], {"part_number": ["stock"]}, terms())  # pyright: ignore[reportArgumentType]
    codec = Results((module,), type(results[0]))
    assert codec.unpacked(codec.packed([0], results))[1] == results


async def test_a_kind_that_is_configured_no_longer_is_still_read(judge: Judge) -> None:
    """What every verdict says is there; what only its kind shows is not."""
    results = await judged(judge, RECORDS[:2])
    packed = Results(KINDS).packed(range(2), results)
    fewer = [module for module in KINDS if module.KIND.name != "email"]
    _, found = Results(fewer).unpacked(packed)
    assert [one.status for one in found] == [one.status for one in results]
    assert [{verdict.kind for verdict in one.verdicts} for one in found] == [
        {"email"},
        {"email", "iban"},
    ]
    assert found[0].email is None


@pytest.mark.parametrize("blob", [b"", b"\xff", b"\x95\x02\x00\xc4\x00\xc0\x90"])
def test_what_is_no_result_says_so(blob: bytes) -> None:
    with pytest.raises(StoreUnreadable, match="results"):
        Results(KINDS).unpacked(blob)

"""Several providers of one check: who is asked, in which order, and what comes of their answers.

The providers are real ones with accounts of their own at the stand-in of postcodes.io, or at
addresses where nobody answers.
"""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest

from providers.errand import Bill
from providers.panel import Panel, Strategy
from providers.priority import Asker
from providers.provider import Provider
from providers.sending import State
from providers.services import companies_house, hmrc, vies, zerobounce
from tests.providers.asking import DEADLINE_S, Asked
from tests.providers.conftest import Outfit
from tests.sandbox_process import RunningSandbox
from verdicts.outcome import Conclusion, Found

NOBODY = "http://127.0.0.1:9"
GOOD, GONE, SECOND = "GB/00000101", "GB/00000202", "GB/00000303"
FREE = Decimal(0)


async def asked(
    providers: Sequence[Provider],
    values: Sequence[str],
    strategy: Strategy = Strategy.FAILOVER,
    deadline_s: float = DEADLINE_S,
) -> Asked:
    loop = asyncio.get_running_loop()
    delivered: dict[str, Found] = {}
    bills: list[Bill] = []

    def deliver(found: Mapping[str, Found], bill: Bill) -> None:
        assert not delivered.keys() & found.keys(), "each value is delivered once"
        delivered.update(found)
        bills.append(bill)

    panel = Panel(providers[0].name, providers, 1, strategy)
    started = loop.time()
    await panel.ask(values, started + deadline_s, deliver, Asker())
    assert delivered.keys() == set(values)
    cost = sum((bill.cost for bill in bills), Decimal(0))
    calls = sum(bill.calls for bill in bills)
    return Asked(delivered, calls, cost, loop.time() - started)


def two(outfit: Outfit, **first: object) -> list[Provider]:
    """Return two accounts with one service, the first as told."""
    return [
        outfit(companies_house, name="first", **first),
        outfit(companies_house, name="second"),
    ]


async def test_who_cannot_be_reached_is_followed_by_the_next(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    answers = await asked(two(outfit, base_url=NOBODY), [GOOD, GONE])
    assert answers.conclusions() == {GOOD: "CONFIRMED", GONE: "DOUBTFUL"}
    assert len(await sandbox.log("companies-house")) == 2
    assert answers.calls == 4, "both providers' calls are told"


async def test_an_answer_is_final_whatever_it_says(outfit: Outfit, sandbox: RunningSandbox) -> None:
    """No second provider is paid to contradict the first."""
    providers = two(outfit)
    answers = await asked(providers, ["GB/00009999", GOOD])
    assert answers.found[GOOD].conclusion is Conclusion.CONFIRMED
    assert answers.cost == Decimal("0.02")
    assert providers[1].statistics.calls == 0
    assert len(await sandbox.log("companies-house")) == 2


async def test_a_form_that_is_refused_is_not_carried_elsewhere(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    await sandbox.fault("zerobounce", "status_400")
    providers = [outfit(zerobounce, name="first"), outfit(zerobounce, name="second")]
    answers = await asked(providers, ["valid@example.com"])
    assert answers.codes("valid@example.com") == ["REJECTED_BY_PROVIDER"]
    assert providers[1].statistics.calls == 0


async def test_only_what_failed_goes_on(outfit: Outfit, sandbox: RunningSandbox) -> None:
    await sandbox.fault("companies-house", "status_503", count=1, prefix="00000101")
    providers = two(outfit)
    answers = await asked(providers, [GOOD, GONE, SECOND])
    assert answers.conclusions() == {GOOD: "CONFIRMED", GONE: "DOUBTFUL", SECOND: "REFUTED"}
    assert [one.statistics.calls for one in providers] == [3, 1]
    assert answers.cost == Decimal("0.03")


async def test_what_failed_in_bulk_goes_on_in_bulk(outfit: Outfit, sandbox: RunningSandbox) -> None:
    await sandbox.fault("zerobounce-bulk", "status_503", count=1)
    values = [f"m{number}@b.example" for number in range(30)]
    providers = [
        outfit(zerobounce, name="first", bulk=30, bulk_from=2),
        outfit(zerobounce, name="second", bulk=30, bulk_from=2),
    ]
    answers = await asked(providers, values)
    assert "PROVIDER_UNAVAILABLE" not in {code for one in values for code in answers.codes(one)}
    assert [one.statistics.calls for one in providers] == [1, 1]
    assert answers.cost == Decimal("0.30")


async def test_when_all_fail_the_reason_is_told_and_worth_a_retry(outfit: Outfit) -> None:
    providers = [
        outfit(companies_house, name="first", base_url=NOBODY),
        outfit(companies_house, name="second", base_url=NOBODY),
    ]
    answers = await asked(providers, [GOOD])
    assert answers.codes(GOOD) == ["PROVIDER_UNAVAILABLE"]
    assert answers.found[GOOD].reasons[0].retryable


async def test_who_has_no_credentials_or_no_such_values_is_passed_over(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    unready = outfit(companies_house, name="first", state=State.NOT_CONFIGURED)
    answers = await asked([unready, outfit(companies_house, name="second")], [GOOD])
    assert answers.conclusions() == {GOOD: "CONFIRMED"}
    assert (await asked([unready], [GOOD])).codes(GOOD) == ["NOT_CONFIGURED"]
    both = [outfit(vies), outfit(hmrc)]
    answers = await asked(both, ["DE123456788", "GB100000230", "US1"])
    assert answers.codes("US1") == ["NOT_COVERED"]
    assert answers.conclusions()["GB100000230"] == "CONFIRMED"
    assert await sandbox.values_asked("vies") == ["DE123456788"]


async def test_voices_that_agree_are_the_conclusion(outfit: Outfit) -> None:
    providers = [outfit(companies_house, name=name, price=FREE) for name in ("a", "b", "c")]
    answers = await asked(providers, [GOOD], Strategy.QUORUM)
    found = answers.found[GOOD]
    assert found.conclusion is Conclusion.CONFIRMED
    assert [(one.provider, one.conclusion.value) for one in found.voices] == [
        ("a", "CONFIRMED"),
        ("b", "CONFIRMED"),
    ]
    assert answers.calls == 2, "two voices are enough"


async def test_voices_that_differ_are_a_doubt_and_both_are_shown(
    outfit: Outfit, sandbox: RunningSandbox
) -> None:
    """The stand-in is made to say of one account's company that it does not exist."""
    await sandbox.fault("companies-house", "status_404", count=1)
    providers = [
        outfit(companies_house, name="a", price=FREE),
        outfit(companies_house, name="b", price=FREE),
    ]
    found = (await asked(providers, [GOOD], Strategy.QUORUM)).found[GOOD]
    assert found.conclusion is Conclusion.DOUBTFUL
    assert [reason.code.value for reason in found.reasons] == ["PROVIDERS_DISAGREE"]
    assert {one.conclusion.value for one in found.voices} == {"CONFIRMED", "REFUTED"}
    assert found.evidence is not None


async def test_who_fails_has_no_voice_and_the_next_has(outfit: Outfit) -> None:
    providers = [
        outfit(companies_house, name="a", price=FREE, base_url=NOBODY),
        outfit(companies_house, name="b", price=FREE),
        outfit(companies_house, name="c", price=FREE),
    ]
    found = (await asked(providers, [GOOD], Strategy.QUORUM)).found[GOOD]
    assert found.conclusion is Conclusion.CONFIRMED
    assert {one.provider: one.conclusion.value for one in found.voices} == {
        "a": "UNDECIDED",
        "b": "CONFIRMED",
        "c": "CONFIRMED",
    }


@pytest.mark.parametrize("first_works, calls", [(True, [1, 0, 1]), (False, [1, 1, 1])])
async def test_a_second_paid_voice_is_not_bought_once_one_is_there(
    calls: list[int], outfit: Outfit, *, first_works: bool
) -> None:
    where: dict[str, object] = {} if first_works else {"base_url": NOBODY}
    providers = [
        outfit(companies_house, name="paid", **where),
        outfit(companies_house, name="paid too"),
        outfit(companies_house, name="free", price=FREE),
    ]
    answers = await asked(providers, [GOOD], Strategy.QUORUM)
    assert answers.found[GOOD].conclusion is Conclusion.CONFIRMED
    assert [one.statistics.calls for one in providers] == calls
    assert answers.cost == Decimal("0.01")


async def test_without_any_voice_it_is_undecided(outfit: Outfit) -> None:
    providers = [
        outfit(companies_house, name="a", base_url=NOBODY),
        outfit(companies_house, name="b", base_url=NOBODY),
    ]
    answers = await asked(providers, [GOOD, SECOND], Strategy.QUORUM)
    for value in (GOOD, SECOND):
        assert answers.codes(value) == ["PROVIDER_UNAVAILABLE"]
        assert len(answers.found[value].voices) == 2

import asyncio
from collections.abc import AsyncGenerator

import pytest
from aiodns import error

from providers import dns
from providers.breaker import RUN_MAX
from providers.dns import MailDomains
from providers.sending import State
from sandbox.domains import INPUTS
from sandbox.standin import MagicInput
from tests.providers.asking import asked
from tests.sandbox_process import RunningSandbox
from verdicts.evidence import MailHosts

TIMEOUT_S = 0.5


@pytest.fixture
async def domains(sandbox: RunningSandbox) -> AsyncGenerator[MailDomains]:
    provider = MailDomains([sandbox.dns], timeout_s=TIMEOUT_S, tries=2, state=State.SANDBOX)
    yield provider
    await provider.close()


def test_the_numbers_are_those_of_the_resolver() -> None:
    names = ("ARES_ENODATA", "ARES_ENOTFOUND", "ARES_EBADNAME", "ARES_EBADRESP")
    ours = (dns.NO_DATA, dns.NAME_NOT_FOUND, dns.BAD_NAME, dns.BAD_ANSWER)
    assert tuple(getattr(error, name) for name in names) == ours


@pytest.mark.parametrize("magic", INPUTS, ids=lambda magic: magic.answer)
async def test_every_magic_domain_gives_what_the_sandbox_documents(
    domains: MailDomains, magic: MagicInput
) -> None:
    domain = magic.value.partition("@")[2]
    answers = await asked(domains, [domain])
    assert answers.conclusions() == {domain: magic.conclusion}
    undecided = magic.conclusion == "UNDECIDED"
    assert all(reason.retryable is undecided for reason in answers.found[domain].reasons)


async def test_evidence_is_the_hosts_in_order_of_preference(domains: MailDomains) -> None:
    names = [
        "many-mx.example.net",
        "a-only.example.net",
        "alias.example.net",
        "Null-MX.example.net",
    ]
    answers = await asked(domains, names)
    assert [answers.found[name].evidence for name in names] == [
        MailHosts(tuple(f"mx{number}.many-mx.example.net" for number in (1, 2, 3))),
        MailHosts(implicit=True),
        MailHosts(("mx.target.alias.example.net",)),
        MailHosts(),
    ]


async def test_reasons_tell_a_missing_domain_from_one_without_mail(domains: MailDomains) -> None:
    names = {
        "nxdomain.example.net": "DOMAIN_NOT_FOUND",
        "anything.invalid": "DOMAIN_NOT_FOUND",
        "no-address.example.net": "NO_MAIL_HOST",
        "null-mx.example.net": "NO_MAIL_HOST",
        "servfail.example.net": "SOURCE_UNAVAILABLE",
        "refused.example.net": "SOURCE_UNAVAILABLE",
        "timeout.example.net": "SOURCE_UNAVAILABLE",
        "garbage.example.net": "PROVIDER_PROTOCOL",
    }
    answers = await asked(domains, list(names))  # all at once: nonsense spoils no neighbour
    assert {name: answers.codes(name) for name in names} == {
        name: [code] for name, code in names.items()
    }


async def test_the_time_to_live_bounds_how_long_an_answer_is_kept(domains: MailDomains) -> None:
    names = ["a.example", "a-only.example.net", "nxdomain.example.net", "servfail.example.net"]
    answers = await asked(domains, names)
    fresh = [answers.found[name].fresh_for_s for name in names]
    assert fresh == [300.0, 300.0, dns.NEGATIVE_FRESH_S, None]


async def test_a_nameserver_without_a_way_to_the_outside_refutes_nothing(
    domains: MailDomains, sandbox: RunningSandbox
) -> None:
    """It denies every name, good ones too, so its "no" says nothing about any."""
    names = ["a.example", "b.example"]
    await sandbox.fault("dns", "nxdomain")
    answers = await asked(domains, names)
    assert [answers.codes(name) for name in names] == [["SOURCE_UNAVAILABLE"]] * 2


async def test_a_nameserver_that_loses_its_way_to_the_outside_refutes_nothing(
    domains: MailDomains, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the witness said before is no answer now, whatever the resolver keeps of it."""
    monkeypatch.setattr("providers.dns.WITNESS_FRESH_S", 0.0)
    assert (await asked(domains, ["one.invalid"])).codes("one.invalid") == ["DOMAIN_NOT_FOUND"]
    await sandbox.fault("dns", "nxdomain")
    assert (await asked(domains, ["a.example"])).codes("a.example") == ["SOURCE_UNAVAILABLE"]


async def test_whether_it_knows_the_outside_is_asked_once_for_many(
    domains: MailDomains, sandbox: RunningSandbox
) -> None:
    answers = await asked(domains, ["one.invalid", "two.invalid", "three.invalid"])
    calls = (await sandbox.control("GET", "dns/log"))["calls"]
    assert set(answers.conclusions().values()) == {"REFUTED"}
    assert [call["name"] for call in calls if call["type"] == "NS"] == ["com."]
    assert answers.calls == 3


async def test_an_address_is_asked_for_only_without_a_mail_host(
    domains: MailDomains, sandbox: RunningSandbox
) -> None:
    answers = await asked(domains, ["a.example", "aaaa-only.example.net"])
    calls = (await sandbox.control("GET", "dns/log"))["calls"]
    assert sorted((call["name"], call["type"]) for call in calls) == [
        ("a.example.", "MX"),
        ("aaaa-only.example.net.", "A"),
        ("aaaa-only.example.net.", "AAAA"),
        ("aaaa-only.example.net.", "MX"),
    ]
    assert answers.calls == 4
    assert domains.statistics.calls == 4
    assert domains.statistics.values == 2


@pytest.mark.parametrize("domain", ["sp ace.example", "a..b", "x" * 64 + ".example"])
async def test_what_is_no_domain_decides_nothing(domains: MailDomains, domain: str) -> None:
    answers = await asked(domains, [domain])
    assert answers.conclusions() == {domain: "UNDECIDED"}


async def test_many_domains_share_the_bound(sandbox: RunningSandbox) -> None:
    provider = MailDomains([sandbox.dns], concurrency=3)
    peak = 0

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, provider.statistics.in_flight)
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    names = [f"d{number}.example" for number in range(60)]
    answers, more = await asyncio.gather(asked(provider, names[:30]), asked(provider, names[30:]))
    watching.cancel()
    await provider.close()
    assert set((answers.conclusions() | more.conclusions()).values()) == {"CONFIRMED"}
    assert peak == 3


async def test_the_deadline_ends_the_wait(domains: MailDomains) -> None:
    answers = await asked(domains, ["timeout.example.net", "slow.example.net"], deadline_s=0.1)
    assert answers.took_s < 0.3
    assert answers.codes("timeout.example.net") == ["SOURCE_UNAVAILABLE"]


async def test_a_nameserver_that_is_away_decides_nothing(unused_tcp_port: int) -> None:
    provider = MailDomains([f"127.0.0.1:{unused_tcp_port}"], timeout_s=0.1, tries=1)
    answers = await asked(provider, ["a.example"])
    await provider.close()
    assert answers.codes("a.example") == ["SOURCE_UNAVAILABLE"]
    assert answers.found["a.example"].reasons[0].retryable


@pytest.mark.parametrize("nameserver", ["nonsense", "192.0.2.1:99999", "ns.example:53"])
async def test_a_nameserver_that_is_no_address_is_refused(nameserver: str) -> None:
    with pytest.raises(ValueError, match=nameserver):
        MailDomains([nameserver])


async def opened(sandbox: RunningSandbox, fault: str) -> MailDomains:
    """Return a provider whose nameserver fails, and whose breaker has opened for it."""
    provider = MailDomains([sandbox.dns], timeout_s=0.1, tries=1, state=State.SANDBOX)
    await asked(provider, ["once.invalid"])  # the witness is known by now
    await sandbox.fault("dns", fault)
    await asked(provider, [f"d{number}.example" for number in range(RUN_MAX)])
    async with asyncio.timeout(10):
        while not provider.open_breakers():  # noqa: ASYNC110 - the witness is still asked
            await asyncio.sleep(0.01)
    return provider


@pytest.mark.parametrize("fault", ["timeout", "servfail", "refused"])
async def test_a_resolver_that_fails_whatever_it_is_asked_is_left_alone(
    sandbox: RunningSandbox, fault: str
) -> None:
    provider = await opened(sandbox, fault)
    calls = provider.statistics.calls
    names = [f"e{number}.example" for number in range(1000)]
    answers = await asked(provider, names)
    ((scope, breaker),) = provider.open_breakers()
    await provider.close()
    assert {code for name in names for code in answers.codes(name)} == {"SOURCE_UNAVAILABLE"}
    assert all(found.reasons[0].retryable for found in answers.found.values())
    assert set(answers.conclusions().values()) == {"UNDECIDED"}
    assert provider.statistics.calls - calls <= 2, "a probe, and the witness about it"
    assert scope.account == "dns"
    assert breaker.resting is not None


async def test_it_is_asked_again_once_it_is_back(sandbox: RunningSandbox) -> None:
    provider = await opened(sandbox, "servfail")
    await sandbox.control("DELETE", "dns/fault")
    found: dict[str, str] = {}
    async with asyncio.timeout(10):
        while found != {"a.example": "CONFIRMED"}:
            found = (await asked(provider, ["a.example"])).conclusions()
            await asyncio.sleep(0.05)
    assert provider.open_breakers() == []
    await provider.close()


async def test_domains_that_are_dead_themselves_do_not_close_the_way_for_others(
    sandbox: RunningSandbox,
) -> None:
    """The resolver is silent about all of them, but answers about the witness: so it is well."""
    provider = MailDomains([sandbox.dns], timeout_s=0.1, tries=1, concurrency=8)
    for _ in range(3 * RUN_MAX):
        dead = await asked(provider, ["timeout.example.net", "servfail.example.net"])
        assert set(dead.conclusions().values()) == {"UNDECIDED"}
        await asyncio.sleep(0.02)
    await sandbox.fault("dns", "nxdomain")  # an answer, though it proves nothing of a name
    denied = await asked(provider, [f"d{number}.example" for number in range(2 * RUN_MAX)])
    assert set(denied.conclusions().values()) == {"UNDECIDED"}
    await sandbox.control("DELETE", "dns/fault")
    living = await asked(provider, ["a.example", "b.example"])
    await provider.close()
    assert set(living.conclusions().values()) == {"CONFIRMED"}
    assert provider.open_breakers() == []

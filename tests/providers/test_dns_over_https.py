"""DNS over HTTPS: the same answers as the DNS gives, in either form."""

import pytest

from providers.dns import FRESH_MAX_S, FRESH_MIN_S, NEGATIVE_FRESH_S, MailDomains
from providers.errors import Faulted, ProtocolBroken
from providers.exchange import Call
from providers.provider import State
from providers.services import dns_over_https
from sandbox.domains import INPUTS
from tests.providers.asking import asked
from tests.providers.conftest import Outfit
from tests.providers.conversation import DOMAIN, MX, Json, answer, converse, resolution
from tests.sandbox_process import RunningSandbox
from verdicts.evidence import MailHosts
from verdicts.outcome import Conclusion, Found

NAMES = [magic.value.partition("@")[2] for magic in INPUTS]
SOA = {"name": "b.example.", "type": 6, "TTL": 60, "data": "ns. host. 1 3600 600 86400 60"}
ADDRESS_6 = {"name": "b.example.", "type": 28, "TTL": 3600, "data": "2001:db8::25"}
COM = {"name": "com.", "type": 2, "TTL": 3600, "data": "a.gtld-servers.net."}


def found_by(*bodies: Json) -> tuple[list[str], Found]:
    """Return the types that were asked for, and what was found in the end."""
    calls, found = converse(dns_over_https, ["b.example"], *map(answer, bodies))
    assert [call.path for call in calls] == [""] * len(calls)
    return [dict(call.query)["type"] for call in calls], found["b.example"]


def codes(found: Found) -> list[str]:
    return [reason.code.value for reason in found.reasons]


def test_mail_hosts_come_in_order_of_preference() -> None:
    records = [{**MX, "data": f"{rank}0 MX{rank}.b.example."} for rank in (2, 1, 3)]
    types, found = found_by(resolution(*records))
    hosts = MailHosts(("mx1.b.example", "mx2.b.example", "mx3.b.example"))
    assert (types, found) == (["MX"], Found(Conclusion.CONFIRMED, (), hosts, 300.0))
    (call,), _ = converse(dns_over_https, DOMAIN.values, answer(DOMAIN.body))
    assert call == Call(
        "GET",
        "",
        (("name", "b.example"), ("type", "MX")),
        headers=(("Accept", "application/dns-json"),),
    )


def test_names_may_come_without_their_last_dot_as_cloudflare_writes_them() -> None:
    body = resolution({**MX, "name": "b.example"}, name="b.example")
    assert found_by(body)[1].evidence == MailHosts(("mx.b.example",))


def test_an_alias_on_the_way_is_no_mail_host() -> None:
    alias = {"name": "b.example.", "type": 5, "TTL": 40, "data": "c.example."}
    found = found_by(resolution(alias, {**MX, "name": "c.example."}))[1]
    assert (found.evidence, found.fresh_for_s) == (MailHosts(("mx.b.example",)), 40.0)


def test_without_mail_hosts_an_address_takes_the_mail() -> None:
    none = resolution(Authority=[SOA])
    bodies = (none, resolution(qtype=1), resolution(ADDRESS_6, qtype=28))
    types, found = found_by(*bodies)
    assert types == ["MX", "A", "AAAA"]
    evidence = MailHosts(implicit=True)
    assert found == Found(Conclusion.CONFIRMED, (), evidence, NEGATIVE_FRESH_S)  # an MX may come


def test_without_an_address_too_a_domain_takes_no_mail() -> None:
    types, found = found_by(
        resolution(), resolution(qtype=1), resolution(qtype=28, Authority=[SOA])
    )
    assert types == ["MX", "A", "AAAA"]
    assert (found.conclusion, codes(found)) == (Conclusion.REFUTED, ["NO_MAIL_HOST"])
    assert (found.evidence, found.fresh_for_s) == (MailHosts(), 60.0)


def test_a_null_mx_refutes_without_a_further_question() -> None:
    types, found = found_by(resolution({**MX, "data": "0 .", "TTL": 86_400}))
    assert (types, codes(found)) == (["MX"], ["NO_MAIL_HOST"])
    assert found.fresh_for_s == NEGATIVE_FRESH_S


def test_a_domain_is_missing_only_for_who_knows_a_name_that_everybody_knows() -> None:
    missing = resolution(status=3, Authority=[SOA])
    types, found = found_by(missing, resolution(COM, name="com.", qtype=2))
    assert (types, codes(found)) == (["MX", "NS"], ["DOMAIN_NOT_FOUND"])
    assert found.fresh_for_s == 60.0
    with pytest.raises(Faulted) as error:
        found_by(missing, resolution(name="com.", qtype=2, status=3))
    assert error.value.code.value == "SOURCE_UNAVAILABLE"
    assert error.value.retryable


def test_the_longest_exchange_has_four_calls() -> None:
    """A domain that goes away in the midst of it."""
    types, found = found_by(
        *(resolution(), resolution(qtype=1), resolution(qtype=28, status=3)),
        resolution(COM, name="com.", qtype=2),
    )
    assert types == ["MX", "A", "AAAA", "NS"]
    assert codes(found) == ["DOMAIN_NOT_FOUND"]


@pytest.mark.parametrize("ttl_s, fresh_s", [(0, FRESH_MIN_S), (31, 31.0), (10**9, FRESH_MAX_S)])
def test_the_time_to_live_bounds_how_long_an_answer_is_kept(ttl_s: int, fresh_s: float) -> None:
    assert found_by(resolution({**MX, "TTL": ttl_s}, MX | {"TTL": 10**9}))[1].fresh_for_s == fresh_s


@pytest.mark.parametrize(
    "body",
    [
        resolution({**MX, "data": "mx.b.example."}),
        resolution({**MX, "data": "10 mx.b.example. and more"}),
        resolution(MX, {**MX, "data": "9" * 5_000 + " mx.b.example."}),
        resolution(MX, TC=True),
        resolution(MX, status=3),
        resolution(MX, name="c.example."),
        resolution(MX, qtype=1),
    ],
)
def test_what_makes_no_sense_decides_nothing(body: Json) -> None:
    with pytest.raises(ProtocolBroken):
        found_by(body)


@pytest.mark.parametrize("path", ["/dns-over-https/resolve", "/dns-over-https/dns-query"])
async def test_it_finds_what_the_dns_finds(
    path: str, outfit: Outfit, sandbox: RunningSandbox
) -> None:
    """Every magic domain, in both forms; only how long a "no" holds the DNS does not say."""
    nameserver = MailDomains([sandbox.dns], timeout_s=0.6, tries=3, state=State.SANDBOX)
    resolver = outfit(dns_over_https, base_url=sandbox.http + path)
    by_dns, by_https = await asked(nameserver, NAMES), await asked(resolver, NAMES)
    await nameserver.close()
    assert by_https.conclusions() == by_dns.conclusions()
    for name in NAMES:
        assert by_https.found[name].evidence == by_dns.found[name].evidence
        if by_dns.found[name].conclusion is not Conclusion.UNDECIDED:
            assert by_https.codes(name) == by_dns.codes(name)
        assert all(
            reason.retryable is (by_https.found[name].conclusion is Conclusion.UNDECIDED)
            for reason in by_https.found[name].reasons
        )

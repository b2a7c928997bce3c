"""The nameserver answers real queries, by UDP and TCP."""

from __future__ import annotations

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import pytest

from sandbox.dns import Nameserver
from tests.sandbox_process import RunningSandbox


async def ask(sandbox: RunningSandbox, name: str, kind: str) -> dns.message.Message:
    host, port = sandbox.dns.split(":")
    query = dns.message.make_query(name, kind)
    answer, _ = await dns.asyncquery.udp_with_fallback(query, host, timeout=3, port=int(port))
    return answer


async def texts(sandbox: RunningSandbox, name: str, kind: str) -> list[str]:
    """Return the data of each answer as it is written in a zone file."""
    answer = (await ask(sandbox, name, kind)).answer
    lines = [line for rrset in answer for line in rrset.to_text().splitlines()]
    return [line.split(" ", 4)[4] for line in lines]


async def test_an_ordinary_domain_takes_mail(sandbox: RunningSandbox) -> None:
    assert await texts(sandbox, "firm.example", "MX") == ["10 mx.firm.example."]
    assert await texts(sandbox, "mx.firm.example", "A") == ["192.0.2.25"]
    assert (await ask(sandbox, "firm.example", "MX")).answer[0].ttl == 300


@pytest.mark.parametrize(
    "name, code",
    [
        ("nxdomain.example.net", dns.rcode.NXDOMAIN),
        ("anything.invalid", dns.rcode.NXDOMAIN),
        ("servfail.example.net", dns.rcode.SERVFAIL),
        ("refused.example.net", dns.rcode.REFUSED),
        ("no-address.example.net", dns.rcode.NOERROR),
    ],
)
async def test_a_name_without_answers_has_its_code(
    sandbox: RunningSandbox, name: str, code: dns.rcode.Rcode
) -> None:
    for kind in ("MX", "A", "AAAA"):
        answer = await ask(sandbox, name, kind)
        assert (answer.rcode(), answer.answer) == (code, [])


async def test_no_mx_leaves_the_address(sandbox: RunningSandbox) -> None:
    assert await texts(sandbox, "a-only.example.net", "MX") == []
    assert await texts(sandbox, "a-only.example.net", "A") == ["192.0.2.25"]
    assert await texts(sandbox, "a-only.example.net", "AAAA") == []
    assert await texts(sandbox, "aaaa-only.example.net", "AAAA") == ["2001:db8::25"]
    assert await texts(sandbox, "aaaa-only.example.net", "A") == []


async def test_null_mx_many_hosts_and_an_alias(sandbox: RunningSandbox) -> None:
    assert await texts(sandbox, "null-mx.example.net", "MX") == ["0 ."]
    many = await texts(sandbox, "many-mx.example.net", "MX")
    assert sorted(many) == [f"{n}0 mx{n}.many-mx.example.net." for n in (1, 2, 3)]
    aliased = await texts(sandbox, "alias.example.net", "MX")
    assert aliased == ["target.alias.example.net.", "10 mx.target.alias.example.net."]


async def test_a_long_answer_needs_tcp(sandbox: RunningSandbox) -> None:
    host, port = sandbox.dns.split(":")
    query = dns.message.make_query("truncated.example.net", "MX")
    short = await dns.asyncquery.udp(query, host, timeout=3, port=int(port))
    assert short.flags & dns.flags.TC
    assert len(await texts(sandbox, "truncated.example.net", "MX")) == 40


async def test_a_silent_nameserver_is_silent(sandbox: RunningSandbox) -> None:
    host, port = sandbox.dns.split(":")
    query = dns.message.make_query("timeout.example.net", "MX")
    with pytest.raises(dns.exception.Timeout):
        await dns.asyncquery.udp(query, host, timeout=0.3, port=int(port))


async def test_the_whole_nameserver_can_fail_and_counts(sandbox: RunningSandbox) -> None:
    await sandbox.fault("dns", "servfail")
    assert (await ask(sandbox, "Firm.Example", "MX")).rcode() == dns.rcode.SERVFAIL
    await sandbox.control("DELETE", "dns/fault")
    assert await texts(sandbox, "firm.example", "MX")
    log = await sandbox.log("dns")
    assert [(call["name"], call["type"]) for call in log] == [("firm.example.", "MX")] * 2
    assert (await sandbox.statistics("dns"))["calls"] == 2


def test_nonsense_is_not_answered() -> None:
    nameserver = Nameserver()
    assert nameserver.respond(b"", "udp") == (b"", 0.0)
    assert nameserver.respond(b"\xff" * 40, "udp") == (b"", 0.0)

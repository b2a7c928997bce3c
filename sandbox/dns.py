"""A nameserver over UDP and TCP for made-up domains: may a domain receive mail.

Contract: RFC 1035 (messages), RFC 5321 section 5.1 (MX, then address), RFC 7505 (null MX).
Any ordinary domain has one MX, `10 mx.<domain>`; some names below example.net (RFC 2606) give
every other case.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections import Counter, deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, cast

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from sandbox.domains import Behaviour, behaviour_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

TTL_S = 300
NEGATIVE_TTL_S = 60
LOG_QUERIES_MAX = 50_000
TCP_IDLE_S_MAX = 30.0
RESPONSE_BYTES_MAX = 65_535
PORT_TRIES_MAX = 20
SLOW_S = 0.3
ADDRESS = "192.0.2.25"
ADDRESS_6 = "2001:db8::25"


def _mail_hosts(name: str, behaviour: Behaviour) -> dns.rrset.RRset | None:
    match behaviour:
        case "usual" | "slow" | "alias":
            hosts = [f"10 mx.{name}"]
        case "null_mx":
            hosts = ["0 ."]
        case "many_mx":
            hosts = [f"20 mx2.{name}", f"10 mx1.{name}", f"30 mx3.{name}"]
        case "truncated":
            hosts = [f"{10 + number} mx{number}-of-a-long-list.{name}" for number in range(40)]
        case _:
            return None
    return dns.rrset.from_text_list(name, TTL_S, "IN", "MX", hosts)


def _address(name: str, kind: str, behaviour: Behaviour) -> dns.rrset.RRset | None:
    has = {"address_only": ("A",), "address_6_only": ("AAAA",), "nodata": (), "null_mx": ()}
    if kind not in has.get(behaviour, ("A",)):
        return None
    return dns.rrset.from_text(name, TTL_S, "IN", kind, ADDRESS if kind == "A" else ADDRESS_6)


def answer_to(query: dns.message.Message, behaviour: Behaviour) -> dns.message.Message:
    """Return the response to a query for one name."""
    response = dns.message.make_response(query, recursion_available=True)
    codes = {"nxdomain": dns.rcode.NXDOMAIN, "servfail": dns.rcode.SERVFAIL,
             "refused": dns.rcode.REFUSED}  # fmt: skip
    response.set_rcode(codes.get(behaviour, dns.rcode.NOERROR))
    question = query.question[0]
    name, kind = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
    if behaviour == "alias":
        target = f"target.{name}"
        response.answer.append(dns.rrset.from_text(name, TTL_S, "IN", "CNAME", target))
        name = target
    found = _mail_hosts(name, behaviour) if kind == "MX" else None
    if kind in {"A", "AAAA"} and behaviour not in codes:
        found = _address(name, kind, behaviour)
    if found is not None:
        response.answer.append(found)
    elif behaviour not in {"servfail", "refused"}:
        soa = f"ns.sandbox.example. hostmaster.sandbox.example. 1 3600 600 86400 {NEGATIVE_TTL_S}"
        response.authority.append(dns.rrset.from_text(name, NEGATIVE_TTL_S, "IN", "SOA", soa))
    return response


class Nameserver:
    """Answers queries on one port, by UDP and TCP; can be made to fail as a whole."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self.reset()

    def reset(self) -> None:
        """Forget the fault and the counts."""
        self.fault: Behaviour | None = None
        self.queries: Counter[str] = Counter()
        self._logged = 0
        self._log: deque[tuple[float, str, str, str]] = deque(maxlen=LOG_QUERIES_MAX)

    def statistics(self) -> dict[str, Any]:
        """Return counts since the start or the last reset."""
        return {"calls": sum(self.queries.values()), "by_type": dict(self.queries),
                "fault": self.fault}  # fmt: skip

    def log(self) -> dict[str, Any]:
        """Return the last queries, oldest first, and how many older ones were dropped."""
        return {
            "dropped": self._logged - len(self._log),
            "calls": [
                {"time": at, "name": name, "type": kind, "transport": transport}
                for at, name, kind, transport in self._log
            ],
        }

    def respond(self, wire: bytes, transport: Literal["udp", "tcp"]) -> tuple[bytes, float]:
        """Return the response to a query and its delay; no bytes for no response."""
        try:
            query = dns.message.from_wire(wire)
            question = query.question[0]
        except (dns.exception.DNSException, IndexError):
            return b"", 0.0
        name, kind = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
        self.queries[kind] += 1
        self._logged += 1
        self._log.append((time.time(), name, kind, transport))
        behaviour = self.fault or behaviour_of(name)
        if behaviour == "timeout":
            return b"", 0.0
        if behaviour == "garbage":
            return wire[:2] + b"\xff" * 10, 0.0
        response = answer_to(query, behaviour)
        if behaviour == "truncated" and transport == "udp":
            response.answer.clear()
            response.flags |= dns.flags.TC
        return response.to_wire(max_size=RESPONSE_BYTES_MAX), SLOW_S if behaviour == "slow" else 0.0

    @asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncGenerator[int]:
        """Serve until left; yield the port, which is the same for UDP and TCP."""
        loop = asyncio.get_running_loop()
        for attempt in range(PORT_TRIES_MAX):
            server = await asyncio.start_server(self._talk, host, port)
            number: int = server.sockets[0].getsockname()[1]
            try:
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: Datagrams(self), local_addr=(host, number)
                )
                break
            except OSError:
                server.close()
                if port or attempt == PORT_TRIES_MAX - 1:
                    raise
        else:
            raise AssertionError
        try:
            yield number
        finally:
            transport.close()
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the queries of one TCP connection, each after its length in two bytes."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                async with asyncio.timeout(TCP_IDLE_S_MAX):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    query = await reader.readexactly(length)
                wire, delay_s = self.respond(query, "tcp")
                await asyncio.sleep(delay_s)
                if wire:
                    writer.write(struct.pack("!H", len(wire)) + wire)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            return
        finally:
            self._tasks.discard(task)
            writer.close()


class Datagrams(asyncio.DatagramProtocol):
    """The UDP side of a nameserver."""

    def __init__(self, nameserver: Nameserver) -> None:
        self._nameserver = nameserver
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Answer one query."""
        wire, delay_s = self._nameserver.respond(data, "udp")
        if not wire:
            return
        if delay_s:
            self._loop.call_later(delay_s, self._transport.sendto, wire, addr)
        else:
            self._transport.sendto(wire, addr)

"""Addresses that a client names never lead back here (R20): a listener must hear nothing."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from msgspec import Struct
from yarl import URL

from providers import egress
from providers.egress import AddressRefused, Gate, is_public
from providers.errors import ProviderError, Unreachable
from providers.exchange import Call
from providers.transport import Transport

TIMEOUT_S = 0.5
HOOK = Call("POST", "", json={"type": "batch.completed"})

# What must be refused, whatever is behind it. PORT is where the listener hears.
CORPUS = [
    "http://example.com/",
    "http://example.com:443/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:PORT/",
    "javascript:alert(1)",
    "//example.com/",
    "example.com",
    "https://",
    "https:///path",
    "https://example.com:22/",
    "https://example.com:80/",
    "https://example.com:6379/",
    "https://example.com:0/",
    "https://example.com:99999/",
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1/",
    "https://127.0.0.1:443/",
    "https://127.0.0.1:8443/",
    "https://127.0.0.1:PORT/",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.255.255.254/",
    "https://0.0.0.0/",
    "https://0/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://127.0.0.1./",
    "https://127.0.0.0x1/",
    "https://１２７.０.０.１/",
    "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://100.100.100.200/",
    "https://169.254.169.254/latest/meta-data/",
    "https://168.63.129.16/",
    "https://192.0.0.1/",
    "https://192.0.2.1/",
    "https://192.88.99.1/",
    "https://198.18.0.1/",
    "https://198.51.100.1/",
    "https://203.0.113.1/",
    "https://224.0.0.1/",
    "https://239.255.255.255/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::1%25lo]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::7f00:1]/",
    "https://[100::1]/",
    "https://[2001::1]/",
    "https://[2001:0:7f00:1::]/",
    "https://[2001:db8::1]/",
    "https://[2002:7f00:1::]/",
    "https://[3fff::1]/",
    "https://[5f00::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
]

# Names that are looked up, each with what the lookup says.
NAMES: dict[str, list[str]] = {
    "loopback.example": ["127.0.0.1"],
    "loopback6.example": ["::1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "private.example": ["10.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "one-of-two.example": ["93.184.216.34", "127.0.0.1"],
    "two-of-two.example": ["127.0.0.1", "93.184.216.34"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "scoped.example": ["fe80::1%lo"],
    "unspecified.example": ["0.0.0.0"],
}


class Canary(Struct):
    """Something on this machine that hears whoever comes."""

    port: int
    heard: list[str] = []


@asynccontextmanager
async def canary() -> AsyncGenerator[Canary]:
    heard = Canary(0)

    async def hear(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.heard.append(str(writer.get_extra_info("peername")))
        writer.close()

    server = await asyncio.start_server(hear, "127.0.0.1", 0)
    heard.port = server.sockets[0].getsockname()[1]
    async with server:
        yield heard


class Said(AbstractResolver):
    """Looks names up in a table; one that rebinds says something else each time."""

    def __init__(self, port: int, answers: Sequence[Sequence[str]]) -> None:
        self._port = port
        self._answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        said = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        del port, family  # whatever the URL says, the listener is meant
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=self._port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in said
        ]

    async def close(self) -> None:
        pass


async def attempt(transport: Transport, url: str) -> str:
    """Try to call; return the error."""
    try:
        await transport.send(url, HOOK, TIMEOUT_S)
    except ProviderError as error:
        return str(error)
    return ""


def test_the_corpus_is_large_enough() -> None:
    assert len(CORPUS) + len(NAMES) >= 60


@pytest.mark.parametrize("url", CORPUS)
def test_what_is_refused_when_it_is_named(url: str) -> None:
    with pytest.raises(AddressRefused):
        Gate().parsed(url.replace("PORT", "8443"))


async def test_whoever_calls_all_the_same_reaches_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The transport refuses by itself, even where the listener's port is an allowed one."""
    async with canary() as heard:
        monkeypatch.setattr(egress, "PORTS", frozenset({443, 8443, heard.port}))
        transport = Transport(Gate())
        try:
            for url in CORPUS:
                if not url.startswith(("https:", "http:")) or "example.com" in url:
                    continue
                for port in ("", f":{heard.port}"):
                    text = url.replace(":PORT", "").rstrip("/")
                    text = text if text.rpartition("]")[2].startswith(":") else f"{text}{port}"
                    try:
                        said = await attempt(transport, text)
                    except (ValueError, UnicodeError):  # no URL at all
                        continue
                    assert said, text
        finally:
            await transport.close()
        assert heard.heard == []


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_that_leads_here_is_refused_when_it_is_looked_up(name: str) -> None:
    async with canary() as heard:
        said = Said(heard.port, [NAMES[name]])
        transport = Transport(Gate(), resolver=said)
        try:
            with pytest.raises(Unreachable, match="AddressRefused"):
                await transport.send(f"https://{name}", HOOK, TIMEOUT_S)
        finally:
            await transport.close()
        assert said.asked == 1
        assert heard.heard == []


async def test_a_name_that_changes_its_mind_is_checked_each_time() -> None:
    """Public when it is checked, ours when it is called: there is one lookup for both."""
    async with canary() as heard:
        said = Said(heard.port, [["93.184.216.34"], ["127.0.0.1"]])
        transport = Transport(Gate(), resolver=said)
        try:
            first = await attempt(transport, "https://rebinds.example")
            assert said.asked == 1
            second = await attempt(transport, "https://rebinds.example")
        finally:
            await transport.close()
        assert first
        assert second == "AddressRefused"
        assert heard.heard == []


async def test_a_redirect_is_not_followed() -> None:
    async with canary() as heard:
        answer = (
            f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{heard.port}/\r\n"
            "Content-Length: 0\r\n\r\n"
        )

        async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer.encode())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(redirect, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport = Transport(Gate(local=True))
        try:
            async with server:
                found = await transport.send(f"http://127.0.0.1:{port}", HOOK, 5.0)
        finally:
            await transport.close()
        assert found.status == 302
        assert heard.heard == []


@pytest.mark.parametrize(
    "url", ["https://example.com/hook", "https://example.com:8443/a?b=c", "https://93.184.216.34/",
            "https://[2606:2800:220:1::1]/", "https://bücher.example/"]
)  # fmt: skip
def test_what_is_public_passes(url: str) -> None:
    assert Gate().parsed(url) == URL(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://localhost:9/", "http://[::1]:9/"])
def test_this_machine_is_for_trying_out_alone(url: str) -> None:
    assert Gate(local=True).parsed(url) == URL(url)
    with pytest.raises(AddressRefused):
        Gate().parsed(url)
    for elsewhere in ("http://example.com/", "http://10.0.0.1:9/", "https://10.0.0.1/"):
        with pytest.raises(AddressRefused):
            Gate(local=True).parsed(elsewhere)


@pytest.mark.parametrize(
    "address, public",
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("2001:200::1", True),
        ("2001:1ff:ffff::1", False),
        ("3fff:1000::1", True),
        ("4000::1", False),
    ],
)
def test_where_the_public_internet_ends(address: str, *, public: bool) -> None:
    assert is_public(ip_address(address)) is public

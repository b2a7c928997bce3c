"""Addresses that a client names never lead back here (R20): a listener must hear nothing."""

import asyncio
from ipaddress import ip_address

import pytest
from yarl import URL

from providers import egress
from providers.egress import AddressRefused, Gate, is_public
from providers.errors import ProviderError, Unreachable
from providers.exchange import Call
from providers.transport import Transport
from tests.providers.egress_corpus import CORPUS, NAMES, Said, aimed_at, canary

TIMEOUT_S = 0.5
HOOK = Call("POST", "", json={"type": "batch.completed"})


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
            for url in aimed_at(heard.port):
                try:
                    said = await attempt(transport, url)
                except (ValueError, UnicodeError):  # no URL at all
                    continue
                assert said, url
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

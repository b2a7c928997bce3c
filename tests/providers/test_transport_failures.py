"""Failures of aiohttp that no server of ours can produce: each becomes one of our own."""

import errno
import ssl
from collections.abc import AsyncGenerator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp.client_reqrep import ConnectionKey
from aioresponses import aioresponses

from providers.errors import Broken, ProtocolBroken, ProviderError, TimedOut, Unreachable, Untrusted
from providers.exchange import Call
from providers.transport import Transport

BASE = "https://service.example"
CALL = Call("GET", "/v1/status")
FORM = Call("POST", "/v1/status", form=(("grant_type", "client_credentials"),))
"""A call that takes the session's way, where CALL takes the lane."""
TIMEOUT_S = 5.0
KEY = ConnectionKey("service.example", 443, True, True, None, None, None)  # noqa: FBT003 - aiohttp's own
NETWORK_DOWN = OSError(errno.ENETUNREACH, "network unreachable")


@pytest_asyncio.fixture
async def transport() -> AsyncGenerator[Transport]:
    """Give a transport, closed afterwards."""
    one = Transport()
    yield one
    await one.close()


FAILURES = pytest.mark.parametrize(
    "failure, error, sent",
    [
        (aiohttp.ClientConnectorDNSError(KEY, OSError("no such name")), Unreachable, False),
        (aiohttp.ClientConnectorError(KEY, NETWORK_DOWN), Unreachable, False),
        (aiohttp.ClientConnectorCertificateError(KEY, ssl.CertificateError()), Untrusted, False),
        (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError()), Untrusted, False),
        (aiohttp.ClientProxyConnectionError(KEY, NETWORK_DOWN), Unreachable, False),
        (aiohttp.ClientOSError(errno.EPIPE, "broken pipe"), Broken, True),
        (aiohttp.ServerDisconnectedError(), Broken, True),
        (aiohttp.ClientConnectionResetError("cannot write"), Broken, True),
        (aiohttp.ClientConnectionError("connection lost"), Broken, True),
        (aiohttp.ClientPayloadError(), Broken, True),
        (aiohttp.ServerTimeoutError(), TimedOut, True),
        (TimeoutError(), TimedOut, True),
        (aiohttp.InvalidURL("https://["), ProtocolBroken, True),
        (aiohttp.TooManyRedirects(None, ()), ProtocolBroken, True),  # pyright: ignore[reportArgumentType]
        (ValueError("nonsense"), ProtocolBroken, True),
    ],
)


@FAILURES
async def test_every_failure_has_its_place_in_the_tree(
    transport: Transport, failure: Exception, error: type[ProviderError], *, sent: bool
) -> None:
    with aioresponses() as answers:
        answers.post(  # pyright: ignore[reportUnknownMemberType] - the library has no types
            f"{BASE}/v1/status", exception=failure
        )
        with pytest.raises(error) as caught:
            await transport.send(BASE, FORM, TIMEOUT_S)
    assert type(caught.value) is error
    assert caught.value.sent is sent
    assert "service.example" not in str(caught.value), "a message may be logged: it names no URL"


@FAILURES
async def test_every_failure_in_the_lane_has_the_same(
    transport: Transport,
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
    error: type[ProviderError],
    *,
    sent: bool,
) -> None:
    async def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", fail)
    with pytest.raises(error) as caught:
        await transport.send(BASE, CALL, TIMEOUT_S)
    assert type(caught.value) is error
    assert caught.value.sent is sent
    assert "service.example" not in str(caught.value), "a message may be logged: it names no URL"

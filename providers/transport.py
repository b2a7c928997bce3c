"""The only place that speaks HTTP to the outside: one aiohttp session a process, and its lane."""

import asyncio
import re
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from urllib.parse import quote

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.http import HttpProcessingError
from yarl import URL

from providers.decoding import inflated
from providers.egress import AddressRefused, Gate
from providers.errors import (
    Broken,
    ProtocolBroken,
    ProviderError,
    TimedOut,
    Unreachable,
    Untrusted,
)
from providers.exchange import Answer, Call
from providers.lane import ALWAYS_SENT, NO_TIMEOUT, Lane, whole
from providers.patience import Patience

ANSWER_BYTES_MAX = 1 << 20
BULK_ANSWER_BYTES_MAX = 8 << 20
"""Forty kilobytes for each of 200 values; several of them at once must fit into memory."""
KEEPALIVE_S = 15.0
"""Below what services keep an idle connection for, so that it rarely breaks under a call."""
DNS_TTL_S = 300
BASES_KEPT_MAX = 256
CONNECT_S = 10.0
"""Until there is a connection for something that flows; a call has a time of its own."""
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]*").fullmatch  # RFC 3986, section 2.3


class Flow:
    """An answer that is read while it arrives, however long it is."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        """Read what `response` brings."""
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response

    async def parts(self) -> AsyncGenerator[bytes]:
        """Yield the body as it arrives.

        Raises:
            TimedOut: nothing arrived for as long as was allowed.
            Broken: the connection ended before the body was whole.
            ProtocolBroken: what came is not HTTP.
        """
        while True:
            try:
                part = await self._response.content.readany()
            except (TimeoutError, aiohttp.ClientError, ValueError) as error:
                raise _failure(error) from None
            if not part:
                return
            yield part


class Transport:
    """Sends calls and returns answers; every failure becomes one of ours."""

    def __init__(
        self,
        gate: Gate | None = None,
        *,
        resolver: AbstractResolver | None = None,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
    ) -> None:
        """Open the session; must be called in the running loop.

        With a `gate` calls go nowhere else than it allows: a name is looked up once for each
        connection, all its addresses are checked, and the connection is made to one of those.
        """
        self._patience = Patience()
        self._gate = gate
        self._answer_bytes_max = answer_bytes_max
        if gate is None:
            connector = aiohttp.TCPConnector(
                limit=0, ttl_dns_cache=DNS_TTL_S, keepalive_timeout=KEEPALIVE_S
            )
        else:
            connector = aiohttp.TCPConnector(
                limit=0,
                use_dns_cache=False,
                resolver=_Checked(gate, resolver or aiohttp.ThreadedResolver()),
                keepalive_timeout=KEEPALIVE_S,
            )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=NO_TIMEOUT,
            auto_decompress=False,
            headers=ALWAYS_SENT,
        )
        # aiohttp would send a GET again by itself when a reused connection breaks: retries are
        # ours to decide and to count, and a paid call may have been charged
        self._session._retry_connection = False  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        self._lane = Lane(self._session)

    async def send(self, base_url: str, call: Call, timeout_s: float) -> Answer:
        """Send `call` below `base_url` and return the whole answer within `timeout_s` seconds.

        Raises:
            Unreachable: no connection, so the service can't have seen the call; or the gate
                refused the address.
            Untrusted: nor will there be one, since its certificate or its TLS is not right.
            TimedOut: no whole answer in time.
            Broken: the connection ended in mid-answer.
            ProtocolBroken: what came back is not HTTP, is packed unasked, or exceeds the bound.
        """
        try:
            return await self._patience.within(timeout_s, self._exchange(base_url, call))
        except TimeoutError:
            raise TimedOut(f"no answer within {timeout_s:.1f} s") from None
        except (aiohttp.ClientError, OSError, HttpProcessingError, ValueError) as error:
            raise _failure(error) from None

    @asynccontextmanager
    async def flow(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        answer_s: float,
        idle_s: float,
    ) -> AsyncGenerator[Flow]:
        """Send `body` to `url`, and enter with the answer as soon as it begins.

        That may take `answer_s` seconds; afterwards something has to arrive each `idle_s` seconds.
        Redirects are not followed. Leaving ends what is still on its way.

        Raises:
            Unreachable, Untrusted, TimedOut, Broken, ProtocolBroken: as `send`.
        """
        times = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=idle_s)
        try:
            async with asyncio.timeout(answer_s):
                response = await self._session.request(
                    method,
                    URL(url, encoded=True),
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    timeout=times,
                )
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise _failure(error) from None
        try:
            yield Flow(response)
        finally:
            response.close()

    async def close(self) -> None:
        """Close the session and its connections."""
        self._patience.close()
        await self._session.close()

    async def _exchange(self, base_url: str, call: Call) -> Answer:
        base = _base(base_url)
        if self._gate is not None:  # nobody looks up a host that is an address already
            try:
                self._gate.check(base)
            except AddressRefused as error:
                raise Unreachable(type(error).__name__) from None
        bytes_max = BULK_ANSWER_BYTES_MAX if call.bulk else self._answer_bytes_max
        if self._lane.takes(base, call):
            status, headers, raw = await self._lane.exchange(
                base, _target(base, call), call, bytes_max
            )
        else:
            status, headers, raw = await self._by_session(base, call, bytes_max)
        packing = headers.get("Content-Encoding", "identity")
        if packing == "gzip":
            raw = inflated(raw, bytes_max)
        elif packing != "identity":
            raise ProtocolBroken(f"the answer is packed as {packing[:20]!r}, unasked")
        return Answer(status, headers, raw)

    async def _by_session(
        self, base: URL, call: Call, bytes_max: int
    ) -> tuple[int, Mapping[str, str], bytes]:
        headers = dict(call.headers) if call.headers else None
        body: bytes | aiohttp.FormData | None = None
        if call.json is not None:
            body = orjson.dumps(call.json)
            headers = {"Content-Type": "application/json", **(headers or {})}
        elif call.form is not None:
            body = aiohttp.FormData(call.form)
        response = await self._session.request(
            call.method, _url(base, call), data=body, headers=headers, allow_redirects=False
        )
        try:
            raw = await whole(response.content, bytes_max)
        finally:
            # one that was read to its end has gone back to its connection's pool already, and
            # closing it does nothing; any other takes its connection along
            response.close()
        return response.status, response.headers, raw


class _Checked(AbstractResolver):
    """Looks names up, and refuses those that have any address to which calls may not go."""

    def __init__(self, gate: Gate, inner: AbstractResolver) -> None:
        self._gate = gate
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host`; raise AddressRefused, an OSError, as said above."""
        found = await self._inner.resolve(host, port, family)
        if not all(self._gate.allows(one["host"]) for one in found):
            raise AddressRefused("an address of this name is not one of the public internet")
        return found

    async def close(self) -> None:
        """Close what is behind this."""
        await self._inner.close()


def _failure(error: Exception) -> ProviderError:
    """Return what an error of aiohttp is in our words."""
    name = type(error).__name__
    match error:
        case aiohttp.ConnectionTimeoutError():
            return Unreachable(name)
        case TimeoutError():
            return TimedOut(name)
        case aiohttp.ClientSSLError():
            return Untrusted(name)
        case aiohttp.ClientConnectorError():
            refused = isinstance(error.os_error, AddressRefused)
            return Unreachable(type(error.os_error).__name__ if refused else name)
        case aiohttp.ClientPayloadError() | aiohttp.ClientConnectionError() | OSError():
            return Broken(name)
        case _:
            return ProtocolBroken(name)


def _url(base: URL, call: Call) -> URL:
    return base.join(URL(_target(base, call), encoded=True))


def _target(base: URL, call: Call) -> str:
    path = base.raw_path.rstrip("/") + call.path
    if not call.query:
        return path or "/"
    query = "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in call.query])
    return f"{path or '/'}?{query}"


@lru_cache(BASES_KEPT_MAX)
def _base(base_url: str) -> URL:
    return URL(base_url, encoded=True)


def _quoted(text: str) -> str:
    """Return `text` percent-encoded for a query; plain ones and e-mails without the library."""
    if _UNRESERVED(text.replace("@", "", 1)):
        return text.replace("@", "%40")
    return quote(text, safe="")

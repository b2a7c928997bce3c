"""The lane of ordinary calls: on aiohttp's connections, past what its session does for any call.

A session prepares redirects, cookies, proxies, traces, middlewares and bodies of every sort for
each call, and spends three quarters of the call's time on it. A call of ours has none of these: a
request line, headers, a JSON body or none. Connections, their pool, TLS, names and the parser of
answers are aiohttp's own. That both ways send and understand the same is what
tests/providers/test_lane.py is for; see also docs/decisions/0016.
"""

import re
from functools import lru_cache

import aiohttp
import orjson
from multidict import CIMultiDictProxy
from yarl import URL

from providers.errors import ProtocolBroken
from providers.exchange import Call

METHODS_WITH_BODY = frozenset({"POST", "PUT"})
INTERIM_MAX = 8
"""Answers 1xx that may come before the answer (RFC 9110, section 15.2)."""
HEADS_KEPT_MAX = 256
ALWAYS_SENT = {"Accept-Encoding": "identity", "User-Agent": "assay"}
BUFFER_BYTES = 1 << 16
"""Of an answer that nobody has read yet; more is not taken off the connection."""
NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=None, sock_read=None)
"""Each call has a time of its own, connecting and reading together; see `Transport.send`."""
_CHUNK_BYTES = 1 << 16
_SWITCHING = 101
_FINAL_FROM, _INTERIM_FROM = 200, 100
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch  # RFC 9110, section 5.6.2
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*").fullmatch  # RFC 9110, section 5.5
_TARGET = re.compile(r"/[!-~]*").fullmatch

Answered = tuple[int, CIMultiDictProxy[str], bytes]
"""Status, headers and the whole body."""


class Lane:
    """Sends ordinary calls on the connections of one session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        """Use the connections of `session`, which its owner closes; needs a running loop."""
        connector = session.connector
        assert connector is not None, "a new session has a connector"
        self._connector = connector
        self._session = session
        self._openings: dict[URL, aiohttp.ClientRequest] = {}

    @staticmethod
    def takes(base: URL, call: Call) -> bool:
        """Return whether `call` below `base` is an ordinary one; any other is the session's."""
        if call.json is None:
            plain = call.method == "GET" and call.form is None
        else:
            plain = call.method in METHODS_WITH_BODY
        return plain and base.raw_user is None

    async def exchange(self, base: URL, target: str, call: Call, bytes_max: int) -> Answered:
        """Send `call` to `target` at the host of `base`; return the answer, of so many bytes.

        Raises:
            ProtocolBroken: the answer is longer, or never comes to an end of 1xx.
            ValueError: the call can't be written as HTTP.
            aiohttp.ClientError, aiohttp.http.HttpProcessingError: as a session's.
        """
        sent = _written(base, target, call)
        connection = await self._connector.connect(self._opening(base), [], NO_TIMEOUT)
        try:
            protocol, transport = connection.protocol, connection.transport
            if protocol is None or transport is None or transport.is_closing():
                raise aiohttp.ClientConnectionResetError("the connection was closed before")
            protocol.set_response_params(
                read_until_eof=True, auto_decompress=False, read_bufsize=BUFFER_BYTES
            )
            transport.write(sent)
            message, content = await protocol.read()
            interim = 0
            while _INTERIM_FROM <= message.code < _FINAL_FROM and message.code != _SWITCHING:
                interim += 1
                if interim > INTERIM_MAX:
                    raise ProtocolBroken("the service only ever says that an answer will come")
                message, content = await protocol.read()
            raw = await whole(content, bytes_max)
        except BaseException:
            connection.close()  # whatever is still on its way is for nobody
            raise
        connection.release()
        return message.code, message.headers, raw

    def _opening(self, base: URL) -> aiohttp.ClientRequest:
        """Return what tells the connector where to connect to."""
        opening = self._openings.get(base)
        if opening is None:
            if len(self._openings) >= HEADS_KEPT_MAX:
                self._openings.clear()
            opening = self._openings[base] = aiohttp.ClientRequest(
                "GET",
                base,
                loop=self._session._loop,  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - its public name warns
                session=self._session,
            )
        return opening


async def whole(stream: aiohttp.StreamReader, bytes_max: int) -> bytes:
    """Return all that `stream` brings.

    Raises:
        ProtocolBroken: that is more than `bytes_max` bytes.
    """
    first = await stream.readany()
    if stream.at_eof():
        _check(len(first), bytes_max)
        return first
    parts = [first]
    size = len(first)
    while part := await stream.read(_CHUNK_BYTES):
        size += len(part)
        _check(size, bytes_max)
        parts.append(part)
    return b"".join(parts)


def _check(size: int, bytes_max: int) -> None:
    if size > bytes_max:
        raise ProtocolBroken(f"the answer is larger than {bytes_max} bytes")


def _written(base: URL, target: str, call: Call) -> bytes:
    """Return `call` as it stands on the wire; ValueError where it can't."""
    if not _TARGET(target):
        raise ValueError("a path or a query holds what must be percent-encoded")
    line = f"{call.method} {target} HTTP/1.1\r\n"
    if call.json is None:
        return f"{line}{_head(base, call.headers, with_json=False)}\r\n".encode()
    body = orjson.dumps(call.json)
    head = _head(base, call.headers, with_json=True)
    return f"{line}{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@lru_cache(HEADS_KEPT_MAX)
def _head(base: URL, headers: tuple[tuple[str, str], ...], *, with_json: bool) -> str:
    """Return the header lines of a call: what is always sent, and over it the call's `headers`."""
    first = {"Host": base.host_port_subcomponent or "", "Accept": "*/*", **ALWAYS_SENT}
    if with_json:
        first["Content-Type"] = "application/json"
    lines: dict[str, str] = {}
    for name, value in (*first.items(), *headers):
        if not _NAME(name) or not _VALUE(value):
            raise ValueError("a header holds what must not stand there")
        lines[name.lower()] = f"{name}: {value}\r\n"
    return "".join(lines.values())

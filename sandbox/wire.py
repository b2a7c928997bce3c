"""HTTP/1.1 on a socket: httptools parses, a callable answers, and the bytes go out as told.

An own protocol rather than a framework, because a stand-in must be able to do what frameworks
forbid (reset in mid-body, drip, lie about lengths) and must cost little beside the code that is
measured against it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import deque
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol, cast

import httptools

from sandbox.message import Manner, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable

BODY_BYTES_MAX = 16 * 1024 * 1024
HEADER_BYTES_MAX = 64 * 1024
PIPELINED_MAX = 64
CONNECTIONS_MAX = 4096
HANG_S_MAX = 600.0
PIECE_BYTES = 64 * 1024
BREAK_AFTER_S = 0.03
"""Pause between half a body and its reset, so that the client has seen the half."""

LINGER_ZERO = struct.pack("ii", 1, 0)
PHRASES = {int(status): status.phrase for status in HTTPStatus}


class Parser(Protocol):
    """The part of httptools' request parser that is used here (it ships no types)."""

    def feed_data(self, data: bytes) -> None:
        """Parse bytes and call back."""
        ...

    def get_method(self) -> bytes:
        """Return the method of the request."""
        ...

    def should_keep_alive(self) -> bool:
        """Return whether another request may follow."""
        ...


class Connection(asyncio.Protocol):
    """One client connection; requests are answered in order, one at a time."""

    def __init__(self, answer: Callable[[Request], Reply], open_now: set[Connection]) -> None:
        self._answer = answer
        self._open_now = open_now
        self._parser: Parser = httptools.HttpRequestParser(self)
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._reply: Reply | None = None
        self._keep_alive = True
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._rest = memoryview(b"")
        self._begin()

    def _begin(self) -> None:
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._header_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._open_now.add(self)
        if len(self._open_now) > CONNECTIONS_MAX:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002, asyncio's signature
        """Give back what the reply under way holds."""
        self._open_now.discard(self)
        self._waiting.clear()
        self._rest = memoryview(b"")
        self._cancel_timer()
        self._settle()

    def data_received(self, data: bytes) -> None:
        """Parse; what is not HTTP is refused."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse(400)

    def pause_writing(self) -> None:
        """Stop writing a long body."""
        self._paused = True

    def resume_writing(self) -> None:
        """Write on."""
        self._paused = False
        self._write_rest()

    # What the parser calls

    def on_url(self, url: bytes) -> None:
        """Collect the target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep one header."""
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > HEADER_BYTES_MAX:
            self._refuse(431)
            return
        self._headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        """Collect the body."""
        self._body_bytes += len(body)
        if self._body_bytes > BODY_BYTES_MAX:
            self._refuse(413)
            return
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Queue the request, and answer it when nothing is under way."""
        path, _, query = self._target.decode("latin-1").partition("?")
        method = self._parser.get_method().decode("latin-1")
        request = Request(method, path, query, self._headers, b"".join(self._body))
        self._waiting.append((request, self._parser.should_keep_alive()))
        self._begin()
        if len(self._waiting) > PIPELINED_MAX:
            self._refuse(429)
        elif self._reply is None:
            self._next()

    # Answering

    def _next(self) -> None:
        while self._waiting and self._reply is None and not self._transport.is_closing():
            request, self._keep_alive = self._waiting.popleft()
            reply = self._reply = self._answer(request)
            if reply.manner is Manner.HANG:
                self._later(HANG_S_MAX, self._transport.close)
            elif reply.delay_s > 0:
                self._later(reply.delay_s, self._deliver)
            else:
                self._deliver()

    def _deliver(self) -> None:
        reply = self._reply
        assert reply is not None
        body = reply.content()
        head = head_of(reply, len(body), keep_alive=self._keep_alive)
        match reply.manner:
            case Manner.WHOLE:
                if len(body) > PIECE_BYTES:
                    self._transport.write(head)
                    self._rest = memoryview(body)
                    self._write_rest()
                else:
                    self._transport.write(head + body)
                    self._sent()
            case Manner.TWICE:
                self._transport.write((head + body) * 2)
                self._sent()
            case Manner.RESET:
                self._reset()
            case Manner.RESET_MID_BODY:
                self._transport.write(head + body[: len(body) // 2])
                self._later(BREAK_AFTER_S, self._reset)
            case Manner.FIN_MID_BODY | Manner.CUT_UNDECLARED:
                self._transport.write(head + body[: len(body) // 2])
                self._transport.close()
            case Manner.DRIP:
                self._transport.write(head)
                self._rest = memoryview(body)
                self._drip()
            case Manner.HANG:
                self._transport.close()

    def _write_rest(self) -> None:
        """Write on as long as the client takes it; `resume_writing` calls again."""
        if not self._rest or (self._reply and self._reply.manner is Manner.DRIP):
            return
        while self._rest and not self._paused:
            self._transport.write(self._rest[:PIECE_BYTES])
            self._rest = self._rest[PIECE_BYTES:]
            if self._transport.is_closing():
                return
        if not self._rest:
            self._sent()

    def _drip(self) -> None:
        reply = self._reply
        if reply is None or not self._rest:
            self._sent()
            return
        self._transport.write(self._rest[:1])
        self._rest = self._rest[1:]
        self._later(reply.pace_s, self._drip)

    def _reset(self) -> None:
        """Close with RST instead of FIN, as a crashed peer does."""
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        self._transport.abort()

    def _sent(self) -> None:
        self._settle()
        if not self._keep_alive:
            self._transport.close()
        elif self._waiting:
            self._loop.call_soon(self._next)

    def _settle(self) -> None:
        reply, self._reply = self._reply, None
        if reply is not None and reply.done is not None:
            reply.done()

    def _refuse(self, status: int) -> None:
        self._waiting.clear()
        self._transport.write(head_of(Reply(status=status), 0, keep_alive=False))
        self._transport.close()

    def close(self) -> None:
        """Drop the connection at once."""
        self._transport.abort()

    def _later(self, delay_s: float, call: Callable[[], None]) -> None:
        self._timer = self._loop.call_later(delay_s, call)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


_date = (0, "")


def http_date(skew_s: float = 0.0) -> str:
    """Return the time now, moved by `skew_s`, in the form of the Date header."""
    global _date  # noqa: PLW0603, one formatted second, kept because formatting costs more than a call
    second = int(time.time() + skew_s)
    if _date[0] != second:
        _date = (second, formatdate(second, usegmt=True))
    return _date[1]


def head_of(reply: Reply, length: int, *, keep_alive: bool) -> bytes:
    """Return status line and headers of a reply whose body has `length` bytes."""
    phrase = PHRASES.get(reply.status, "Unknown")
    undeclared = reply.manner is Manner.CUT_UNDECLARED
    kind = f"Content-Type: {reply.content_type}\r\n" if length else ""
    size = "" if undeclared else f"Content-Length: {length}\r\n"
    close = "Connection: close\r\n" if undeclared or not keep_alive else ""
    own = "".join([f"{name}: {value}\r\n" for name, value in reply.headers])
    date = http_date(reply.date_skew_s)
    head = f"HTTP/1.1 {reply.status} {phrase}\r\nDate: {date}\r\n{kind}{size}{close}{own}\r\n"
    return head.encode("latin-1")

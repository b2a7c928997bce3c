"""Failures on demand: what a service, or the network before it, can do to an answer.

A fault is set for one mount, hits a share of its calls (by a seed), for a count of calls, from
some call on, or only calls that ask for values with a prefix.
"""

from __future__ import annotations

import copy
import random
import zlib
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from sandbox.message import Manner, Reply, Request, elements, members
from sandbox.wire import http_date

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sandbox.standin import Path, StandIn

DELAY_MS_MAX = 600_000
HUGE_BYTES = 100 * 1024 * 1024
AGAIN = "the-same-key-again"
NESTING_LEVELS = 100_000
DIGITS = 5_000
HEADERS_MANY = 2_000
HEADERS_FLOOD = 200_000
HEADER_LONG_BYTES = 20_000
BLOCK = b" " * (1024 * 1024)

STATUSES = (400, 401, 402, 403, 404, 405, 406, 408, 410, 413, 415,
            422, 429, 500, 501, 502, 503, 504, 520, 522, 524)  # fmt: skip
PAGE = b"<!DOCTYPE html><html><head><title>%b</title></head><body><h1>%b</h1></body></html>"


@dataclass(slots=True)
class Fault:
    """One fault as it was asked for; units are in the names."""

    mode: str
    share: float = 1.0
    count: int | None = None
    after: int = 0
    seed: int = 0
    prefix: str = ""
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    retry_after: str | None = None
    date_skew_s: float = 0.0
    location: str = "http://127.0.0.1:9/elsewhere"
    seen: int = 0
    hit: int = 0
    _random: random.Random = field(default_factory=random.Random, repr=False)

    def __post_init__(self) -> None:
        self._random.seed(self.seed)

    def strikes(self, values: Sequence[str]) -> bool:
        """Return whether this call is hit, and count it."""
        if self.prefix and not any(value.startswith(self.prefix) for value in values):
            return False
        self.seen += 1
        if self.seen <= self.after or (self.count is not None and self.hit >= self.count):
            return False
        if self.share < 1 and self._random.random() >= self.share:
            return False
        self.hit += 1
        return True

    def delay_s(self) -> float:
        """Return the delay of this call with its jitter."""
        return (self.delay_ms + self._random.uniform(0, self.jitter_ms)) / 1000

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return Retry-After as asked for; `date:+30` is the HTTP date in 30 s."""
        if self.retry_after is None:
            return ()
        if self.retry_after.startswith("date:"):
            ahead_s = float(self.retry_after.removeprefix("date:")) + self.date_skew_s
            return (("Retry-After", http_date(ahead_s)),)
        return (("Retry-After", self.retry_after),)


def _html(status: int, title: bytes) -> Reply:
    body = PAGE % (title, title)
    return Reply(status, body=body, content_type="text/html; charset=utf-8")


def _raw(change: Callable[[bytes], bytes]) -> Callable[[Reply, StandIn, Fault], Reply]:
    return lambda reply, _standin, _fault: replace(reply, body=change(reply.content()))


def _manner(manner: Manner) -> Callable[[Reply, StandIn, Fault], Reply]:
    return lambda reply, _standin, _fault: replace(reply, manner=manner)


def _with_member(text: bytes) -> Callable[[bytes], bytes]:
    return lambda body: body[:-1] + b"," + text + b"}" if body[:1] == b"{" else b"{" + text + b"}"


@cache
def bomb() -> bytes:
    """Return a gzip body of 100 kB that inflates to 100 MB of valid JSON."""
    whole = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    pieces = [b"\x1f\x8b\x08\0\0\0\0\0\0\xff"]
    head, tail = b'{"padding":"', b'"}'
    pieces.append(whole.compress(head) + whole.flush(zlib.Z_FULL_FLUSH))
    block = whole.compress(BLOCK) + whole.flush(zlib.Z_FULL_FLUSH)
    repeats = HUGE_BYTES // len(BLOCK)
    crc = zlib.crc32(head)
    for _ in range(repeats):
        crc = zlib.crc32(BLOCK, crc)
    pieces.append(block * repeats)
    pieces.append(whole.compress(tail) + whole.flush())
    crc = zlib.crc32(tail, crc)
    length = len(head) + repeats * len(BLOCK) + len(tail)
    pieces.append(crc.to_bytes(4, "little") + length.to_bytes(4, "little"))
    return b"".join(pieces)


@cache
def huge() -> bytes:
    """Return 100 MB of valid JSON."""
    return b'{"padding":"' + BLOCK * (HUGE_BYTES // len(BLOCK)) + b'"}'


def parts_of(reply: Reply, standin: StandIn) -> list[dict[str, Any]]:
    """Return the objects of an answer that are about one value each."""
    payload = members(reply.payload)
    if reply.items is None:
        inside = standin.drift.inside
        return [members(payload.get(inside)) if inside else payload]
    return [members(item) for item in elements(payload.get(reply.items)) or ()]


def parent_of(part: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the object that holds the last field of the path, empty when it has no such field."""
    for key in path[:-1]:
        part = members(part.get(key))
    return part if path[-1] in part else {}


def put(part: dict[str, Any], path: Path, value: object) -> None:
    """Set a field inside a part, where it exists."""
    parent = parent_of(part, path)
    if parent:
        parent[path[-1]] = value


def _drifted(
    change: Callable[[dict[str, Any], StandIn], None],
) -> Callable[[Reply, StandIn, Fault], Reply]:
    def changed(reply: Reply, standin: StandIn, _fault: Fault) -> Reply:
        new = replace(reply, payload=copy.deepcopy(reply.payload))
        for part in parts_of(new, standin):
            change(part, standin)
        return new

    return changed


def _foreign_part(part: dict[str, Any], standin: StandIn) -> None:
    for path in standin.drift.echo:
        put(part, path, standin.drift.foreign)


def _items(
    change: Callable[[list[Any], StandIn], list[Any]],
) -> Callable[[Reply, StandIn, Fault], Reply]:
    """Change the list of a bulk answer; an answer about one value stays as it is."""

    def changed(reply: Reply, standin: StandIn, _fault: Fault) -> Reply:
        if reply.items is None:
            return reply
        payload = dict(members(reply.payload))
        payload[reply.items] = change(list(elements(payload[reply.items]) or ()), standin)
        return replace(reply, payload=payload)

    return changed


def _with_stranger(items: list[Any], standin: StandIn) -> list[Any]:
    if not items:
        return items
    stranger = copy.deepcopy(items[0])
    _foreign_part(stranger, standin)
    return [stranger, *items[1:]]


def _twice(reply: Reply, standin: StandIn, _fault: Fault) -> Reply:
    """Give the deciding field twice with other values; most readers keep the last one."""
    new = replace(reply, payload=copy.deepcopy(reply.payload))
    last = standin.drift.decides[-1]
    for part in parts_of(new, standin):
        parent = parent_of(part, standin.drift.decides)
        if parent:
            value = parent[last]
            parent[AGAIN] = not value if isinstance(value, bool) else standin.drift.unknown_word
    return replace(new, body=new.content().replace(AGAIN.encode(), last.encode()))


def _contradicting(items: list[Any], standin: StandIn) -> list[Any]:
    """Say of the first value something else, too."""
    if not items:
        return items
    other = copy.deepcopy(items[0])
    put(other, standin.drift.decides, standin.drift.unknown_word)
    return [*items, other]


@cache
def _fillers(count: int) -> tuple[str, str]:
    """Return so many headers as one whose value holds the others: quick to write."""
    rest = "\r\n".join(f"X-Filler-{number}: x" for number in range(1, count))
    return "X-Filler-0", f"x\r\n{rest}"


def _headers(count: int) -> Callable[[Reply, StandIn, Fault], Reply]:
    return lambda reply, _standin, _fault: reply.plus(_fillers(count))


MODES: Mapping[str, tuple[str, Callable[[Reply, StandIn, Fault], Reply]]] = {
    **{
        f"status_{status}": (
            f"status {status} with the service's own body",
            lambda _reply, standin, _fault, status=status: standin.error(status),
        )
        for status in STATUSES
    },
    "html_200": (
        "an HTML page with status 200",
        lambda _reply, _standin, _fault: _html(200, b"Fatal error"),
    ),
    "html_503": (
        "an HTML maintenance page with status 503",
        lambda _reply, _standin, _fault: _html(503, b"Down for maintenance"),
    ),
    "redirect": (
        "302 to `location`",
        lambda _reply, _standin, fault: Reply(302, headers=(("Location", fault.location),)),
    ),
    "empty": ("status 200 without a body", _raw(lambda _: b"")),
    "json_null": ("the body is `null`", _raw(lambda _: b"null")),
    "json_list": ("the answer is wrapped in a list", _raw(lambda body: b"[" + body + b"]")),
    "truncated": ("half the JSON, length declared so", _raw(lambda body: body[: len(body) // 2])),
    "malformed": ("JSON with a comma too many", _raw(lambda body: body[:-1] + b",,}")),
    "bom": ("a byte order mark before the JSON", _raw(lambda body: b"\xef\xbb\xbf" + body)),
    "nan": ("a NaN in the JSON", _raw(_with_member(b'"score":NaN'))),
    "duplicate_keys": ("the deciding field twice, with two values", _twice),
    "deep_nesting": (
        "100,000 nested lists",
        _raw(lambda _: b"[" * NESTING_LEVELS + b"]" * NESTING_LEVELS),
    ),
    "long_integer": (
        "an integer of 5,000 digits",
        _raw(_with_member(b'"serial":' + b"9" * DIGITS)),
    ),
    "latin_1": ("a byte that is not UTF-8", _raw(_with_member(b'"city":"K\xf6ln"'))),
    "wrong_content_type": (
        "JSON declared as text/plain",
        lambda reply, _standin, _fault: replace(reply, content_type="text/plain"),
    ),
    "many_headers": ("2,000 headers", _headers(HEADERS_MANY)),
    "header_flood": ("200,000 headers", _headers(HEADERS_FLOOD)),
    "long_header": (
        "a header of 20 kB",
        lambda reply, _standin, _fault: reply.plus(("X-Filler", "x" * HEADER_LONG_BYTES)),
    ),
    "huge": (
        "100 MB of JSON",
        lambda reply, _standin, _fault: replace(reply, body=huge()),
    ),
    "gzip_bomb": (
        "100 kB of gzip that inflate to 100 MB",
        lambda reply, _standin, _fault: replace(reply, body=bomb()).plus(
            ("Content-Encoding", "gzip")
        ),
    ),
    "reset": ("the connection is reset before the answer", _manner(Manner.RESET)),
    "reset_mid_body": ("reset after half the body", _manner(Manner.RESET_MID_BODY)),
    "fin_mid_body": ("closed after half the body", _manner(Manner.FIN_MID_BODY)),
    "cut_undeclared": ("half the body, no length, then closed", _manner(Manner.CUT_UNDECLARED)),
    "extra_reply": ("a second reply that nobody asked for follows", _manner(Manner.TWICE)),
    "hang": ("no answer at all", _manner(Manner.HANG)),
    "drip": ("one byte each `delay_ms` (500)", _manner(Manner.DRIP)),
    "latency": (
        "the true answer after `delay_ms` and up to `jitter_ms`",
        lambda reply, _standin, _fault: reply,
    ),
    "unknown_status": (
        "a status word that the contract does not have",
        _drifted(
            lambda part, standin: put(
                part, standin.drift.word_at or standin.drift.decides, standin.drift.unknown_word
            )
        ),
    ),
    "changed_type": (
        "the deciding field in another type",
        _drifted(lambda part, standin: put(part, standin.drift.decides, standin.drift.other_type)),
    ),
    "missing_field": (
        "the deciding field is missing",
        _drifted(
            lambda part, standin: parent_of(part, standin.drift.decides).pop(
                standin.drift.decides[-1], None
            )
        ),
    ),
    "foreign": ("the answer is about another value", _drifted(_foreign_part)),
    "items_missing": ("bulk: every second item is missing", _items(lambda items, _: items[::2])),
    "items_doubled": (
        "bulk: every item comes twice",
        _items(lambda items, _: [item for item in items for _ in range(2)]),
    ),
    "items_contradict": (
        "bulk: the first item comes again, and says something else",
        _items(_contradicting),
    ),
    "items_reordered": ("bulk: the order is reversed", _items(lambda items, _: items[::-1])),
    "items_foreign": ("bulk: the first item is about another value", _items(_with_stranger)),
}

NEVER_HANDLED = ("status_", "html_", "redirect")
"""Modes that answer instead of the service, which then does no work and charges nothing."""


def apply(fault: Fault, standin: StandIn, request: Request) -> Reply:
    """Return what comes back for a call that the fault hits."""
    own = standin.faults.get(fault.mode)
    if own is not None:
        reply = own(request)
    else:
        change = MODES[fault.mode][1]
        instead = fault.mode.startswith(NEVER_HANDLED)
        reply = change(Reply() if instead else standin.handle(request), standin, fault)
    reply = replace(reply, headers=(*reply.headers, *fault.headers()))
    reply.date_skew_s = fault.date_skew_s
    if reply.manner is Manner.DRIP:
        reply.pace_s = fault.delay_s() or reply.pace_s
    else:
        reply.delay_s = fault.delay_s()
    return reply

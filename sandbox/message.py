"""One HTTP request as a stand-in sees it, and the reply it gives: plain data, no sockets."""

from __future__ import annotations

import base64
import binascii
import enum
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, unquote

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

AUTHORIZATIONS_KEPT_MAX = 256
KEY = "sandbox"
"""The credential that every stand-in accepts; `sandbox-…` is a further account with limits of
its own."""


class Manner(enum.Enum):
    """How the bytes of a reply go out."""

    WHOLE = "whole"
    RESET = "reset"
    RESET_MID_BODY = "reset_mid_body"
    FIN_MID_BODY = "fin_mid_body"
    CUT_UNDECLARED = "cut_undeclared"
    DRIP = "drip"
    TWICE = "twice"
    HANG = "hang"


@dataclass(slots=True)
class Request:
    """A complete request. `path` is as sent, without the mount and still percent-encoded."""

    method: str
    path: str
    query: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    mount: str = ""
    _segments: list[str] | None = None
    _parameters: dict[str, str] | None = None
    _json: object = None

    @property
    def segments(self) -> list[str]:
        """Return the decoded parts of the path; an encoded slash stays inside its part."""
        if self._segments is None:
            self._segments = [unquote(part) for part in self.path.strip("/").split("/")]
        return self._segments

    @property
    def parameters(self) -> dict[str, str]:
        """Return the decoded query; the last of equal names wins."""
        if self._parameters is None:
            self._parameters = dict(parse_qsl(self.query, keep_blank_values=True))
        return self._parameters

    @property
    def json(self) -> object:
        """Return the decoded JSON body, None when it is not JSON."""
        if self._json is None and self.body:
            try:
                self._json = orjson.loads(self.body)
            except orjson.JSONDecodeError:
                return None
        return self._json

    def header(self, name: bytes) -> str:
        """Return the last header of that name (lower case), empty when there is none."""
        for given, value in reversed(self.headers):
            if given.lower() == name:
                return value.decode("latin-1")
        return ""

    def basic_auth(self) -> tuple[str, str]:
        """Return user and password of the Authorization header, empty when there is none."""
        return read_basic_auth(self.header(b"authorization"))


@dataclass(slots=True)
class Reply:
    """What goes back. `payload` is dumped as JSON unless `body` is given.

    `items` names the list of a bulk answer inside the payload; `delay_s` holds the first byte
    back; `pace_s` is the pause between the bytes of a drip; `done` is called once the reply is
    out or the client is gone.
    """

    status: int = 200
    payload: Any = None
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"
    items: str | None = None
    delay_s: float = 0.0
    manner: Manner = Manner.WHOLE
    pace_s: float = 0.5
    date_skew_s: float = 0.0
    done: Callable[[], None] | None = field(default=None, repr=False)

    def content(self) -> bytes:
        """Return the bytes of the body."""
        if self.body is not None:
            return self.body
        return b"" if self.payload is None else orjson.dumps(self.payload)

    def plus(self, *headers: tuple[str, str]) -> Reply:
        """Return this reply with more headers."""
        return replace(self, headers=(*self.headers, *headers))


@lru_cache(AUTHORIZATIONS_KEPT_MAX)
def read_basic_auth(authorization: str) -> tuple[str, str]:
    """Return user and password of HTTP basic authentication (RFC 7617), empty for anything else."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


def members(value: object) -> dict[str, Any]:
    """Return a JSON object's members; anything else has none."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def elements(value: object) -> list[Any] | None:
    """Return a JSON list's elements, None when the value is no list."""
    return cast("list[Any]", value) if isinstance(value, list) else None


def is_account(key: str) -> bool:
    """Return whether the stand-ins know this credential."""
    return key == KEY or key.startswith(f"{KEY}-")

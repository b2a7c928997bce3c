"""What an answer says of the account's limits, in the spellings that are in use. Pure.

`RateLimit` and `RateLimit-Policy` as in the IETF's draft (draft-ietf-httpapi-ratelimit-headers),
in its newest form (`"default";r=50;t=30`) and in its first (`limit=100, remaining=50, reset=30`
and `RateLimit-Remaining`), and the older `X-RateLimit-*`.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from msgspec import Struct

_LIMITS = ("ratelimit-limit", "x-ratelimit-limit", "x-rate-limit-limit")
_LEFT = (
    "ratelimit-remaining",
    "x-ratelimit-remaining",
    "x-ratelimit-remain",
    "x-rate-limit-remaining",
)
_RESETS = ("ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset")
_PART = re.compile(r"(?:^|[;,\s])(?P<name>r|t|q|limit|remaining|reset)\s*=\s*(?P<value>\d{1,12})")
_NUMBER = re.compile(r"\s*(\d{1,12})")
_EPOCH_FROM = 1_000_000_000
"""A reset this large is an instant (seconds since 1970), a smaller one a duration."""
RESET_MAX_S = 86_400.0


class Told(Struct, frozen=True):
    """How many calls are left of how many (0: not said), and in how many seconds all of them are.

    `reset_s` is None when the answer does not say.
    """

    limit: int
    remaining: int
    reset_s: float | None


def told(headers: Mapping[str, str]) -> Told | None:
    """Return what `headers` (asked for in lower case) say is left, None when they say nothing.

    Of several policies that of the first holds: services name the narrowest first.
    """
    newest = headers.get("ratelimit")
    if newest is not None:
        parts = _parts(newest)
        left = parts.get("r", parts.get("remaining"))
        if left is not None:
            policy = _parts(headers.get("ratelimit-policy", ""))
            limit = parts.get("limit", policy.get("q", 0))
            reset = parts.get("t", parts.get("reset"))
            return Told(limit, left, None if reset is None else _seconds(reset, headers))
    left = _first(headers, _LEFT)
    if left is None:
        return None
    reset = _first(headers, _RESETS)
    seconds = None if reset is None else _seconds(reset, headers)
    return Told(_first(headers, _LIMITS) or 0, left, seconds)


def _parts(text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in _PART.finditer(text):
        found.setdefault(part["name"], int(part["value"]))
    return found


def _first(headers: Mapping[str, str], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = headers.get(name)
        if value is not None and (number := _NUMBER.match(value)) is not None:
            return int(number[1])
    return None


def _seconds(reset: int, headers: Mapping[str, str]) -> float:
    """Return `reset` as a duration; an instant is read against the answer's own clock."""
    if reset >= _EPOCH_FROM:
        now = datetime.now(UTC)
        with suppress(KeyError, TypeError, ValueError):
            now = parsedate_to_datetime(headers["date"])
        reset_s = reset - now.replace(tzinfo=now.tzinfo or UTC).timestamp()
        return min(max(reset_s, 0.0), RESET_MAX_S)
    return min(float(reset), RESET_MAX_S)

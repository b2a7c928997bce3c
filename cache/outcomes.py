"""Outcomes kept for all processes: many in, many out, one round trip each way.

aiocache over redis-py reads; the serializer and the envelope are ours. The envelope repeats the
key's digest, so that a reply that belongs to somebody else's request can never be taken for ours.
Writing is a script with a time to live for each key (aiocache and redis-py send several commands
a key), and travels with the claims that are given back, unless outcomes have their own server.
"""

import logging
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import NamedTuple, cast

import msgspec
from aiocache.backends.redis import RedisCache
from aiocache.serializers import NullSerializer
from msgspec import Struct
from redis.exceptions import RedisError

from cache.keys import DIGEST_BYTES
from verdicts.outcome import Outcome

ENVELOPE_VERSION = 1
NAMESPACE = b"outcome:"
"""The most that reading may take, however patient the client is."""

_log = logging.getLogger(__name__)
_pack = msgspec.msgpack.Encoder().encode
_HEAD = struct.Struct(f">{DIGEST_BYTES}sQI")

Run = Callable[[Sequence[bytes], Sequence[bytes | int | str]], Awaitable[object]]
"""A script of the store, to be run with keys and arguments."""

WRITE = (files("cache") / "scripts" / "write.lua").read_text()


class Write(NamedTuple):
    """An outcome on its way into the store: digest, time to live in milliseconds, envelope."""

    digest: bytes
    ttl_ms: int
    envelope: bytes


class Envelope(Struct, frozen=True, gc=False, array_like=True):
    """What stands in the store: its version, the digest it is kept under, the outcome."""

    version: int
    digest: bytes
    outcome: Outcome


_unpack = msgspec.msgpack.Decoder(Envelope).decode


class EnvelopeCache(RedisCache):
    """aiocache's cache on a client that is ours, for reading envelopes as they were packed."""

    def __init__(self, client: object) -> None:
        """Use `client` (redis-py), whose own timeout bounds each read."""
        super().__init__(  # pyright: ignore[reportUnknownMemberType] - aiocache has no types
            serializer=_AsPacked(), timeout=None
        )
        self.client = client

    async def _close(self, *_: object, **__: object) -> None:
        """Leave the client open: it is not ours to close."""


class _AsPacked(NullSerializer):
    DEFAULT_ENCODING = None


class Outcomes:
    """Outcomes in the shared store, under the digests that `cache.keys` gives their questions."""

    def __init__(self, client: object, write: Run | None = None) -> None:
        """Read with `client` (redis-py).

        `write` runs the script WRITE where outcomes have a server of their own.
        """
        self._store = EnvelopeCache(client)
        self._write = write

    async def fetch(self, digests: Mapping[str, bytes], now: datetime) -> Mapping[str, Outcome]:
        """Return what the store knows and is fresh of the values that `digests` names.

        Nothing when the store is away.
        """
        try:
            packs = cast(
                "list[bytes | None]",
                await self._store.multi_get(  # pyright: ignore[reportUnknownMemberType] - as above
                    [NAMESPACE + digest for digest in digests.values()]
                ),
            )
        except (OSError, RedisError) as error:
            _log.warning("outcome store away", extra={"error": type(error).__name__})
            return {}
        known: dict[str, Outcome] = {}
        for (value, digest), pack in zip(digests.items(), packs, strict=True):
            if pack is not None:
                outcome = _outcome_in(pack, digest)
                if outcome is not None and (outcome.expires_at or now) > now:
                    known[value] = outcome
        return known

    def writes(
        self, outcomes: Mapping[str, Outcome], digests: Mapping[str, bytes], now: datetime
    ) -> list[Write]:
        """Return those of `outcomes` that have an expiry, ready to be written."""
        writes: list[Write] = []
        expires_at, ttl_ms = now, 0
        for value, outcome in outcomes.items():
            if outcome.expires_at is None:
                continue
            if outcome.expires_at is not expires_at:  # most share one moment
                expires_at = outcome.expires_at
                ttl_ms = int((expires_at - now).total_seconds() * 1000)
            if ttl_ms > 0:
                digest = digests[value]
                envelope = _pack(Envelope(ENVELOPE_VERSION, digest, outcome))
                writes.append(Write(digest, ttl_ms, envelope))
        return writes

    async def write(self, writes: Sequence[Write]) -> Sequence[Write]:
        """Write where outcomes have their own server; return what is to travel with the claims.

        When that server is away the outcomes are not kept.
        """
        if self._write is None or not writes:
            return writes
        try:
            await self._write((), (packed(writes),))
        except OSError as error:
            _log.warning("outcome store away", extra={"error": type(error).__name__})
        return ()


def packed(writes: Sequence[Write]) -> bytes:
    """Return `writes` as the scripts take them, end to end in one argument."""
    parts: list[bytes] = []
    for digest, ttl_ms, envelope in writes:
        parts += (_HEAD.pack(digest, ttl_ms, len(envelope)), envelope)
    return b"".join(parts)


def _outcome_in(pack: bytes, digest: bytes) -> Outcome | None:
    """Return the outcome in `pack`; None when it is not ours, or not an envelope as we write it."""
    try:
        envelope = _unpack(pack)
    except (msgspec.DecodeError, ValueError):
        return None
    if envelope.version != ENVELOPE_VERSION or envelope.digest != digest:
        return None
    return envelope.outcome

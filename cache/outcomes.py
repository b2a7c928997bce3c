"""Outcomes kept for all processes: many in, many out, one round trip each way.

aiocache over redis-py reads; the serializer and the envelope are ours. Where claims live on the
same server, reading claims what is missing in the same trip (`Claims.look`). The envelope repeats
the key's digest, so that a reply that belongs to somebody else's request can never be taken for
ours. Writing is a script with a time to live for each key (aiocache and redis-py send several
commands a key), and travels with the claims that are given back, unless outcomes have their own
server.
"""

import logging
import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any, cast

import msgspec
from aiocache.backends.redis import RedisCache
from aiocache.serializers import NullSerializer
from msgspec import Struct
from redis.exceptions import RedisError

from cache.bounded import Bounded
from cache.claims import Claims, Run, Taken
from cache.encryption import OutcomeSeal
from cache.keys import DIGEST_BYTES
from verdicts.outcome import Outcome

ENVELOPE_VERSION, SEALED_VERSION = b"\x02", b"\x03"
"""The first byte of an envelope; the digest follows, then the outcome as MessagePack, or sealed."""
NAMESPACE = b"outcome:"
READ_KEPT_MAX = 8_192
"""Outcomes that are known by their bytes: a value comes again long after others of its call."""

_log = logging.getLogger(__name__)
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Outcome).decode
_TTL_AND_LENGTH = struct.Struct(">QI")
_HEAD_BYTES = len(ENVELOPE_VERSION) + DIGEST_BYTES
_OURS = Taken.OURS

Read = Callable[[Sequence[bytes]], Awaitable[Sequence[object]]]
"""Answers for each digest with its envelope, or with something else where there is none."""

WRITE = (files("cache") / "scripts" / "write.lua").read_text()


class EnvelopeCache(RedisCache):
    """aiocache's cache with a way of reading of ours, for envelopes as they were packed."""

    def __init__(self, read: Read) -> None:
        """Read by `read`, whose own timeout bounds each trip."""
        super().__init__(  # pyright: ignore[reportUnknownMemberType] - aiocache has no types
            serializer=NullSerializer(encoding=None), timeout=None
        )
        self._read = read

    def build_key(self, key: bytes, namespace: str | None = None) -> bytes:
        """Return `key` as it is: a digest needs no namespace of aiocache's."""
        del namespace
        return key

    async def _multi_get(  # pyright: ignore[reportIncompatibleMethodOverride] - more comes back
        self, keys: Sequence[bytes], encoding: str | None = None, _conn: object = None
    ) -> Sequence[object]:
        del encoding
        return await self._read(keys)


class Apart(Struct, frozen=True):
    """The server that outcomes have to themselves: a client (redis-py), and its script WRITE."""

    client: Any
    write: Run

    async def read(self, digests: Sequence[bytes]) -> Sequence[object]:
        """Return the envelope of each digest, None where there is none."""
        return await self.client.mget(*(NAMESPACE + digest for digest in digests))


class Outcomes:
    """Outcomes in the shared store, under the digests that `cache.keys` gives their questions."""

    def __init__(
        self, claims: Claims, apart: Apart | None = None, seal: OutcomeSeal | None = None
    ) -> None:
        """Keep outcomes beside `claims`, or `apart` where they have a server of their own.

        With a `seal` they are sealed there; what was kept before, in plain, is still read.
        """
        self.apart = apart
        self._seal = seal
        self._claims = claims
        self._store = EnvelopeCache(claims.look if apart is None else apart.read)
        self._read: Bounded[bytes, Outcome] = Bounded(READ_KEPT_MAX)

    async def look(self, digests: Sequence[bytes], now: datetime) -> list[Outcome | Taken]:
        """Return for each digest its outcome, if it is fresh at `now`, or what claiming it gave.

        When the store is away nothing is known and everything is ours: each process asks for
        itself.
        """
        try:
            packs = cast(
                "list[object]",
                await self._store.multi_get(digests),  # pyright: ignore[reportUnknownMemberType] - as above
            )
        except (OSError, RedisError) as error:
            _log.warning("outcome store away", extra={"error": type(error).__name__})
            packs = [None] * len(digests)
            if self.apart is None:
                return [_OURS] * len(digests)
        found, missing = self._opened(packs, digests, now)
        if missing:
            taken = await self._taken([digests[at] for at in missing])
            for at, one in zip(missing, taken, strict=True):
                found[at] = one
        return cast("list[Outcome | Taken]", found)

    async def peek(self, digests: Sequence[bytes], now: datetime) -> list[Outcome | None]:
        """Return for each digest its outcome, if it is fresh at `now`; nothing is claimed.

        Raises:
            OSError: the store is away.
        """
        try:
            packs = await (self._claims.peek if self.apart is None else self.apart.read)(digests)
        except RedisError as error:
            raise OSError(type(error).__name__) from None
        found, _ = self._opened(packs, digests, now)
        return [one if isinstance(one, Outcome) else None for one in found]

    def drop(self) -> None:
        """Remember nothing of what was read."""
        self._read.clear()

    def packed(self, outcomes: Mapping[bytes, Outcome], now: datetime) -> bytes:
        """Return those of `outcomes`, by digest, that have an expiry, as the scripts take them.

        Each is digest, time to live in milliseconds, length of the envelope, and the envelope.
        What one call found of many values is often the same, and then packed once.
        """
        parts: list[bytes] = []
        made: dict[int, tuple[bytes, bytes]] = {}
        for digest, outcome in outcomes.items():
            tail = made.get(id(outcome))
            if tail is None:
                tail = made[id(outcome)] = _packed(outcome, now)
            if not tail[0]:
                continue
            if self._seal is None:
                parts += (digest, tail[0], digest, tail[1])
            else:
                parts += (digest, *_sealed(self._seal, digest, *tail))
        return b"".join(parts)

    async def write(self, packed: bytes) -> bytes:
        """Write where outcomes have their own server; return what is to travel with the claims.

        When that server is away the outcomes are not kept.
        """
        if self.apart is None or not packed:
            return packed
        try:
            await self.apart.write((), (packed,))
        except OSError as error:
            _log.warning("outcome store away", extra={"error": type(error).__name__})
        return b""

    def _opened(
        self, packs: Sequence[object], digests: Sequence[bytes], now: datetime
    ) -> tuple[list[object], list[int]]:
        """Return what the envelopes hold, and where there is none that is ours and fresh.

        What is no envelope stays: it says what claiming gave. Values that one call answered often
        have the same outcome, to the byte: it is read once, and they share it.
        """
        found: list[object] = list(packs)
        missing: list[int] = []
        known: dict[bytes, Outcome | None] = {}
        for at, pack in enumerate(packs):
            if pack.__class__ is not bytes:
                if pack is None:
                    missing.append(at)
                continue
            envelope = cast("bytes", pack)
            body: bytes | None = envelope[_HEAD_BYTES:]
            if not envelope.startswith(ENVELOPE_VERSION + digests[at]):
                body = None if self._seal is None else _unsealed(self._seal, envelope, digests[at])
                if body is None:
                    missing.append(at)
                    continue
            if body in known:
                outcome = known[body]
            else:
                outcome = known[body] = self._outcome_in(body, now)
            if outcome is None:
                missing.append(at)
            found[at] = outcome
        return found, missing

    def _outcome_in(self, body: bytes, now: datetime) -> Outcome | None:
        """Return the outcome in `body`; None when it has expired, or is not as we write it."""
        outcome = self._read.get(body)
        if outcome is None:
            try:
                outcome = _unpack(body)
            except (msgspec.DecodeError, ValueError):
                return None
            self._read.put(body, outcome)
        return None if outcome.expires_at is not None and outcome.expires_at <= now else outcome

    async def _taken(self, digests: Sequence[bytes]) -> Sequence[Taken]:
        """Claim what is not known; what stands there and can't be used is no reason to wait."""
        try:
            return await self._claims.take(digests, anew=self.apart is None)
        except OSError:
            return [_OURS] * len(digests)


def _sealed(
    seal: OutcomeSeal, digest: bytes, head: bytes, body: bytes
) -> tuple[bytes, bytes, bytes, bytes]:
    """Return what `_packed` has returned, and the digest between, with the outcome sealed."""
    left_ms, _ = _TTL_AND_LENGTH.unpack_from(head)
    sealed = seal.seal(body, digest)
    length = _TTL_AND_LENGTH.pack(left_ms, _HEAD_BYTES + len(sealed))
    return length, SEALED_VERSION, digest, sealed


def _unsealed(seal: OutcomeSeal, envelope: bytes, digest: bytes) -> bytes | None:
    """Return the outcome in a sealed envelope; None when it is none of ours."""
    if not envelope.startswith(SEALED_VERSION + digest):
        return None
    return seal.open(envelope[_HEAD_BYTES:], digest)


def _packed(outcome: Outcome, now: datetime) -> tuple[bytes, bytes]:
    """Return what stands around the second digest of `outcome`; nothing when it is not to be kept.

    That is time to live, length and version before it, the outcome after it.
    """
    left_ms = 0
    if outcome.expires_at is not None:
        left_ms = int((outcome.expires_at - now).total_seconds() * 1000)
    if left_ms <= 0:
        return b"", b""
    body = _pack(outcome)
    return _TTL_AND_LENGTH.pack(left_ms, _HEAD_BYTES + len(body)) + ENVELOPE_VERSION, body

"""Outcomes kept for all processes: many in, many out, one round trip each way.

aiocache over redis-py holds the connection and the calls; the serializer, the envelope and the
scripted write with a time to live per key are ours. The envelope repeats the key's digest, so that
a reply that belongs to somebody else's request can never be taken for ours.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import cast

import msgspec
from aiocache.backends.redis import RedisCache
from aiocache.serializers import BaseSerializer
from msgspec import Struct
from redis.exceptions import RedisError

from verdicts.outcome import Outcome

ENVELOPE_VERSION = 1
NAMESPACE = b"outcome:"
STORE_TIMEOUT_S = 1.0

_log = logging.getLogger(__name__)

Run = Callable[[Sequence[bytes], Sequence[bytes | int]], Awaitable[object]]

WRITE_SCRIPT = """
for at = 1, #KEYS do
  redis.call('SET', KEYS[at], ARGV[2 * at], 'PX', ARGV[2 * at - 1])
end
return #KEYS
"""


class Envelope(Struct, frozen=True, gc=False, array_like=True):
    """What stands in the store: its version, the digest it is kept under, the outcome."""

    version: int
    digest: bytes
    outcome: Outcome


class EnvelopeSerializer(BaseSerializer):
    """Envelopes as MessagePack; what can't be read counts as absent."""

    DEFAULT_ENCODING = None

    def __init__(self) -> None:
        """Build the encoder and the decoder once."""
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Envelope).decode

    def dumps(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, value: Envelope
    ) -> bytes:
        """Return `value` as bytes."""
        return self._encode(value)

    def loads(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, value: bytes | None
    ) -> Envelope | None:
        """Return the envelope in `value`, None for nothing and for what is not one."""
        if value is None:
            return None
        try:
            return self._decode(value)
        except (msgspec.DecodeError, ValueError):
            return None


class EnvelopeCache(RedisCache):
    """aiocache's cache on a client that is ours, writing many keys with a TTL each in one trip."""

    def __init__(self, client: object, write: Run) -> None:
        """Use `client` (redis-py) to read and the script `write` to write."""
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            serializer=EnvelopeSerializer(), timeout=STORE_TIMEOUT_S
        )
        self.client = client
        self._write = write

    async def multi_set_each(self, pairs: Sequence[tuple[bytes, int, Envelope]]) -> None:
        """Write all `pairs` of key, time to live in milliseconds and envelope."""
        dumps = cast("EnvelopeSerializer", self.serializer).dumps
        arguments: list[bytes | int] = []
        for _, ttl_ms, envelope in pairs:
            arguments += (ttl_ms, dumps(envelope))
        await self._write([key for key, _, _ in pairs], arguments)

    async def _close(self, *_: object, **__: object) -> None:
        """Leave the client open: it is not ours to close."""


class Outcomes:
    """Outcomes in the shared store, under the digests that `cache.keys` gives their questions."""

    def __init__(self, store: EnvelopeCache) -> None:
        """Keep in `store`."""
        self._store = store

    async def fetch(self, digests: Mapping[str, bytes], now: datetime) -> Mapping[str, Outcome]:
        """Return what the store knows and is fresh of the values that `digests` names.

        Nothing when the store is away.
        """
        try:
            envelopes = cast(
                "list[Envelope | None]",
                await self._store.multi_get(  # pyright: ignore[reportUnknownMemberType]
                    [NAMESPACE + digest for digest in digests.values()]
                ),
            )
        except (OSError, RedisError) as error:
            _log.warning("outcome store away", extra={"error": type(error).__name__})
            return {}
        return {
            value: envelope.outcome
            for (value, digest), envelope in zip(digests.items(), envelopes, strict=True)
            if envelope is not None
            and envelope.version == ENVELOPE_VERSION
            and envelope.digest == digest
            and (envelope.outcome.expires_at or now) > now
        }

    async def keep(
        self, outcomes: Mapping[str, Outcome], digests: Mapping[str, bytes], now: datetime
    ) -> None:
        """Write `outcomes` that have an expiry; when the store is away they are not kept."""
        pairs: list[tuple[bytes, int, Envelope]] = []
        for value, outcome in outcomes.items():
            if outcome.expires_at is not None:
                digest = digests[value]
                ttl_ms = int((outcome.expires_at - now).total_seconds() * 1000)
                if ttl_ms > 0:
                    pairs.append(
                        (NAMESPACE + digest, ttl_ms, Envelope(ENVELOPE_VERSION, digest, outcome))
                    )
        if not pairs:
            return
        try:
            await self._store.multi_set_each(pairs)
        except (OSError, RedisError) as error:
            _log.warning("outcome store away", extra={"error": type(error).__name__})

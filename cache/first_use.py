"""When an idempotency key was used first, and for what: the same for all processes."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from importlib.resources import files
from typing import Protocol, cast

KEPT_S = 86_400
NAMESPACE = b"once:"
FINGERPRINT_BYTES = 16
_MS_BYTES = 8
_SCRIPT = (files("cache") / "scripts" / "first_use.lua").read_text()

Run = Callable[[Sequence[bytes], Sequence[bytes | int | str]], Awaitable[object]]


class Shared(Protocol):
    """What is needed of the store that all processes share."""

    def script(self, source: str, /) -> Run:
        """Return the script as a call with keys and arguments; OSError when the store is away."""
        ...


class KeyUsedError(Exception):
    """The key was used for something else."""


class FirstUses:
    """Remembers keys for `KEPT_S`, each tenant's for itself; they stand there as keyed hashes."""

    def __init__(self, shared: Shared, secret: bytes) -> None:
        """Keep them in `shared`, under names that nobody can make without `secret`."""
        self._first = shared.script(_SCRIPT)
        self._begun = blake2b(key=secret[: blake2b.MAX_KEY_SIZE], digest_size=FINGERPRINT_BYTES)

    async def since(self, tenant: str, key: str, asked: bytes, now: datetime) -> datetime:
        """Return when `key` was used first, `now` if it is; `asked` is all that is asked for.

        Raises:
            KeyUsedError: it was used for something else.
            OSError: the store is away.
        """
        name = self._begun.copy()
        name.update(f"{tenant}\0{key}".encode())
        fingerprint = self._begun.copy()
        fingerprint.update(asked)
        used = round(now.timestamp() * 1000).to_bytes(_MS_BYTES, "big") + fingerprint.digest()
        first = cast("bytes", await self._first((NAMESPACE + name.digest(),), (used, KEPT_S)))
        if first == used:
            return now
        if first[_MS_BYTES:] != fingerprint.digest():
            raise KeyUsedError
        return datetime.fromtimestamp(int.from_bytes(first[:_MS_BYTES], "big") / 1000, UTC)

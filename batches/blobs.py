"""Blobs: what was given and found of a chunk, packed small and, if a key is configured, sealed."""

import threading
from typing import TYPE_CHECKING, NamedTuple

from zstandard import ZstdCompressor, ZstdDecompressor, ZstdError

from batches.errors import ChunkUnreadable
from batches.keys import Keyring, WrappedKey
from cache.bounded import Bounded
from cache.encryption import SealBroken, cipher_of

if TYPE_CHECKING:
    from cache.sealing import Cipher

BLOB_BYTES_MAX = 256 << 20
"""Bytes that a blob may have before it is packed."""
LEVEL = 1
"""Of zstd. Level 3 packs results 15 % smaller, and costs half as much again."""
CIPHERS_KEPT_MAX = 1_000
_PLAIN, _SEALED = b"\x00", b"\x01"


class Place(NamedTuple):
    """Where a blob lies: sealed there, it can be read nowhere else."""

    batch: str
    table: str
    seq: int
    part: int = 0

    @property
    def named(self) -> bytes:
        """The place as bytes that stand for no other."""
        return f"{self.batch}/{self.table}/{self.seq}/{self.part}".encode()


class Blobs:
    """Packs and unpacks, in any thread."""

    def __init__(self, keys: Keyring) -> None:
        """Seal with data keys that `keys` open."""
        self.keys = keys
        self._ciphers: Bounded[WrappedKey, Cipher] = Bounded(CIPHERS_KEPT_MAX)
        self._lock = threading.Lock()
        self._own = threading.local()  # zstd's contexts are for one thread each

    def pack(self, data: bytes, place: Place, key: WrappedKey | None) -> bytes:
        """Return `data` as it goes to `place` of a batch that has `key`.

        Raises:
            ValueError: it has more than BLOB_BYTES_MAX.
            StoreLocked: `key` can't be opened.
        """
        if len(data) > BLOB_BYTES_MAX:
            raise ValueError(f"a chunk has {len(data)} bytes, {BLOB_BYTES_MAX} is the most")
        packed = self._compressor().compress(data)
        if key is None:
            return _PLAIN + packed
        return _SEALED + self._cipher(key, place.batch).seal(packed, place.named)

    def unpack(self, blob: bytes, place: Place, key: WrappedKey | None) -> bytes:
        """Return the data that `pack` made `blob` of.

        Raises:
            StoreLocked: `key` can't be opened.
            ChunkUnreadable: it was changed since, or moved from elsewhere.
        """
        sort, packed = blob[:1], blob[1:]
        try:
            if sort == _SEALED and key is not None:
                packed = self._cipher(key, place.batch).open(packed, place.named)
            elif sort != _PLAIN or key is not None:
                raise ChunkUnreadable(
                    f"batch {place.batch}, chunk {place.seq}: not sealed as it was"
                )
            return self._decompressor().decompress(packed)
        except (SealBroken, ZstdError) as error:
            raise ChunkUnreadable(
                f"batch {place.batch}, chunk {place.seq}: what is in {place.table} is damaged"
            ) from error

    def _cipher(self, key: WrappedKey, batch_id: str) -> "Cipher":
        with self._lock:
            cipher = self._ciphers.get(key)
        if cipher is None:
            cipher = cipher_of(self.keys.unwrap(key, batch_id))
            with self._lock:
                self._ciphers.put(key, cipher)
        return cipher

    def _compressor(self) -> ZstdCompressor:
        made: ZstdCompressor | None = getattr(self._own, "compressor", None)
        if made is None:
            made = self._own.compressor = ZstdCompressor(level=LEVEL)
        return made

    def _decompressor(self) -> ZstdDecompressor:
        made: ZstdDecompressor | None = getattr(self._own, "decompressor", None)
        if made is None:
            made = self._own.decompressor = ZstdDecompressor()
        return made

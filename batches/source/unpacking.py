"""A body as it arrives, packed or not, out of which bytes are read with a bound on everything."""

import zlib
from typing import Protocol

import zstandard

from batches.source.errors import SourceError

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
MAGIC_BYTES = 4
PLAIN = "identity"
PACKINGS = {"gzip": GZIP, "zstd": ZSTD}
"""How a body may be packed, and how it then begins."""

RATIO_MAX = 200
"""How many times as much as was sent may come out. Tables come to 5 to 30."""
RATIO_FREE_BYTES = 16 << 20
"""So much may come out whatever the ratio: a small file of equal rows is no attack."""
ZSTD_WINDOW_BYTES_MAX = 8 << 20
"""What every decoder of zstd has to bear (RFC 8878, 3.1.1.1.2): memory for one upload."""
ZSTD_SLICE_BYTES = 256
"""So few packed bytes come to 8 MiB at most: 4 bytes are a block of up to 128 KiB."""

TRUNCATED = "TRUNCATED"
NOT_WHAT_IT_SAYS = "NOT_WHAT_IT_SAYS"


class _Stream(Protocol):
    """One way of unpacking."""

    packed: bytes

    def read(self, limit: int) -> bytes:
        """Return what comes out of `packed`; no byte when there is no more in it."""
        ...

    def finish(self) -> None:
        """Raise SourceError when something is missing."""
        ...


class Body:
    """Bytes in as they were sent, bytes out as they were before they were packed."""

    def __init__(self, packing: str | None = None) -> None:
        """Unpack as `packing` says: `gzip`, `zstd`, `identity`; None: as the first bytes look."""
        self._packing = packing
        self._stream: _Stream | None = None
        self._waiting = b""
        self._ended = self._partial = False
        self._sent = 0
        self._read = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes that arrived."""
        self._sent += len(data)
        self._waiting = self._waiting + data if self._waiting else data

    def end(self, *, partial: bool = False) -> None:
        """Take note that nothing more arrives; a `partial` body may break off anywhere."""
        self._ended = True
        self._partial = partial

    def read(self, limit: int) -> bytes:
        """Return the next unpacked bytes, about `limit` at most; none: more has to arrive first.

        Raises:
            SourceError: the body can't be unpacked, or too much comes out of it.
        """
        if self._stream is None:
            if len(self._waiting) < MAGIC_BYTES and not self._ended:
                return b""
            self._stream = self._begun()
        if self._waiting:
            self._stream.packed += self._waiting
            self._waiting = b""
        found = self._stream.read(limit)
        self._read += len(found)
        if self._read > max(RATIO_FREE_BYTES, RATIO_MAX * self._sent):
            raise SourceError(
                "TOO_MUCH_UNPACKED",
                f"The body unpacks to more than {RATIO_MAX} times its size. Send it as it is.",
            )
        if not found and self._ended and not self._partial:
            self._stream.finish()
        return found

    @property
    def ended(self) -> bool:
        """Whether nothing more arrives; what did may still have to be read."""
        return self._ended

    def _begun(self) -> _Stream:
        if self._packing == PLAIN:
            return _Plain()
        looks = next((name for name, magic in PACKINGS.items() if self._begins(magic)), None)
        if self._packing is not None and looks != self._packing:
            if self._partial:
                return _Plain()  # it broke off before anything could be seen
            if not self._waiting:
                raise SourceError("EMPTY_FILE", "The body is empty: there is not even a header.")
            raise SourceError(
                NOT_WHAT_IT_SAYS,
                f"The body is said to be {self._packing}, and does not begin so. Leave that out.",
            )
        if looks == "gzip":
            return _Gzip()
        return _Zstd() if looks == "zstd" else _Plain()

    def _begins(self, magic: bytes) -> bool:
        return self._waiting.startswith(magic)


class _Plain:
    def __init__(self) -> None:
        self.packed = b""

    def read(self, limit: int) -> bytes:
        found, self.packed = self.packed[:limit], self.packed[limit:]
        return found

    def finish(self) -> None:
        return


class _Gzip:
    def __init__(self) -> None:
        self.packed = b""
        self._unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._open = True

    def read(self, limit: int) -> bytes:
        while self.packed:
            if not self._open:  # files that were joined: one begins where another ends
                self.packed = self.packed.lstrip(b"\0")
                if not self.packed:
                    break
                self._unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
                self._open = True
            try:
                found = self._unpack.decompress(self.packed, limit)
            except zlib.error as error:
                raise _damaged("gzip", error) from None
            self.packed = self._unpack.unconsumed_tail
            if self._unpack.eof:
                self.packed = self._unpack.unused_data
                self._open = False
            if found:
                return found
        return b""

    def finish(self) -> None:
        if self._open:
            raise _cut_off("gzip")


class _Zstd:
    def __init__(self) -> None:
        self.packed = b""
        self._made = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES_MAX)
        self._unpack = self._made.decompressobj()
        self._open = True

    def read(self, limit: int) -> bytes:
        found: list[bytes] = []
        size = at = 0
        packed, end = memoryview(self.packed), len(self.packed)
        while at < end and size < limit:
            if not self._open:
                self._unpack = self._made.decompressobj()
                self._open = True
            part = packed[at : at + ZSTD_SLICE_BYTES]
            try:
                found.append(self._unpack.decompress(part))
            except zstandard.ZstdError as error:
                raise _damaged("zstd", error) from None
            at += len(part)
            size += len(found[-1])
            if self._unpack.eof:
                at -= len(self._unpack.unused_data)
                self._open = False
        packed.release()
        self.packed = self.packed[at:]
        return b"".join(found)

    def finish(self) -> None:
        if self._open:
            raise _cut_off("zstd")


def _damaged(packing: str, error: Exception) -> SourceError:
    why = str(error)
    if "memory" in why:
        window = ZSTD_WINDOW_BYTES_MAX >> 20
        return SourceError(
            "BAD_PACKING",
            f"The body needs a window of more than {window} MiB. Pack it without --long, --ultra.",
        )
    return SourceError(
        "BAD_PACKING",
        f"The body can't be unpacked as {packing}: it is damaged ({why}). Pack it again.",
    )


def _cut_off(packing: str) -> SourceError:
    return SourceError(
        TRUNCATED,
        f"The body breaks off in the middle of its {packing} stream. Send the rest: go on from the"
        " offset that HEAD tells, or send the whole file again.",
    )

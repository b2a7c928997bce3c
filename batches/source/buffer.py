"""Bytes of a file that wait to be read as whole lines; not too many, however long a line is."""

import zlib

from batches.source.coding import Coding
from batches.source.lines import LINE_BYTES_MAX

_SPARE_BYTES = 64
_ADLER = 65_521
"""The prime that Adler-32 (RFC 1950, 8.2) goes by."""


class Buffer:
    """Bytes that wait. `offset` is where in the file they begin, `digest` the one of all before.

    A line that is far too long is cut: what is left of it is still too long, and is told so.
    """

    def __init__(self, coding: Coding, offset: int, digest: int) -> None:
        """Hold what follows `offset`, where a line begins, in a file that is encoded so."""
        self.offset = offset
        self.digest = digest
        self._coding = coding
        self._bytes = bytearray()
        # four bytes of a wide encoding are one letter at least
        self._line_max = LINE_BYTES_MAX * (4 if coding.wide else 1) + _SPARE_BYTES
        self._cuts: list[_Cut] = []
        self._cutting = False

    def __len__(self) -> int:
        return len(self._bytes)

    def add(self, data: bytes) -> None:
        """Take what comes next."""
        if self._cutting:
            at = self._cuts[-1].end_in(data, self._coding.newline)
            self._cuts[-1].add(data[:at])
            self._cutting = at == len(data)
            data = data[at:]
        self._bytes += data
        begin = self._coding.whole(self._bytes)
        end = begin + self._line_max
        if len(self._bytes) > end:
            self._cuts.append(_Cut(end, bytes(self._bytes[end:])))
            del self._bytes[end:]
            self._cutting = True

    def lines(self, *, final: bool) -> bytes:
        """Return the whole lines; when the file ends with them all that there is."""
        return bytes(self._bytes[: len(self) if final else self._coding.whole(self._bytes)])

    def drop(self, count: int) -> None:
        """Let the first so many bytes go."""
        at = 0
        for cut in self._cuts:
            if cut.place <= count:
                self.digest = zlib.adler32(self._bytes[at : cut.place], self.digest)
                self.digest = _joined(self.digest, cut.digest, cut.size)
                self.offset += cut.size
                at = cut.place
            else:
                cut.place -= count
        self._cuts = [cut for cut in self._cuts if cut.place > count]
        self.digest = zlib.adler32(self._bytes[at:count], self.digest)
        self.offset += count
        del self._bytes[:count]


class _Cut:
    """Bytes that are not kept: their place among those that are, how many, and their digest."""

    def __init__(self, place: int, data: bytes) -> None:
        self.place = place
        self.size = 0
        self.digest = zlib.adler32(b"")
        self.add(data)

    def add(self, data: bytes) -> None:
        self.size += len(data)
        self.digest = zlib.adler32(data, self.digest)

    def end_in(self, data: bytes, newline: bytes) -> int:
        """Return where in `data` the line ends of which the bytes before are missing."""
        at = data.find(newline)
        while at >= 0 and (self.place + self.size + at) % len(newline):
            at = data.find(newline, at + 1)
        return len(data) if at < 0 else at


def _joined(first: int, second: int, size: int) -> int:
    """Return the Adler-32 of bytes with that of `first`, then `size` with that of `second`."""
    low = (first & 0xFFFF) + (second & 0xFFFF) - 1
    high = (first >> 16) + (second >> 16) + size * ((first & 0xFFFF) - 1)
    return (high % _ADLER) << 16 | low % _ADLER

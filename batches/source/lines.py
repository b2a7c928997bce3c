"""The lines of a file or pipe, whatever its encoding, in constant memory."""

import codecs
import os
import stat
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

from msgspec import Struct

from batches.source.coding import SAMPLE_BYTES, Coding, coding_of

BLOCK_BYTES = 1 << 16
LINE_BYTES_MAX = 1 << 20


class Line(Struct):
    """One line with its end. `flaw` says what is wrong with its bytes, if anything."""

    number: int
    text: str
    flaw: str | None = None


class Lines:
    """The lines of a stream.

    `encoding` is what they are in, `guessed` whether that is a guess; `coding` says both.
    `had_mark` tells whether it began with a byte order mark. `size` is how many bytes
    the stream has, None for a pipe, `count` how many lines were read of it.
    """

    def __init__(self, stream: BinaryIO, encoding: str | None = None) -> None:
        """Read the beginning of `stream` and find out its encoding, unless told.

        Raises:
            EncodingError: nobody knows `encoding`.
            OSError: the stream can't be read.
        """
        self._stream = stream
        self.size = _size(stream)
        self._head = stream.read(SAMPLE_BYTES) if self.size is not None else _some(stream)
        self.coding = coding_of(self._head, encoding)
        self.encoding = self.coding.encoding
        self.guessed = self.coding.guessed
        self.had_mark = self.coding.mark > 0
        self._counted_bytes = self.count = 0
        self._back: deque[Line] = deque()
        self._lines = self._read()

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        return self._back.popleft() if self._back else next(self._lines)

    @property
    def line_bytes(self) -> float:
        """The bytes of a line, on average of those read so far; 0 before the first."""
        return self._counted_bytes / self.count if self.count else 0.0

    def push_back(self, lines: list[Line]) -> None:
        """Give `lines` again, before all others."""
        self._back.extendleft(reversed(lines))

    def ahead(self, count: int) -> list[Line]:
        """Return up to `count` lines that come next, without taking them."""
        found = [line for _, line in zip(range(count), self, strict=False)]
        self.push_back(found)
        return found

    def _read(self) -> Iterator[Line]:
        for number, (raw, whole) in enumerate(_split(self._blocks()), start=1):
            self.count = number
            self._counted_bytes += len(raw)
            yield line_of(number, raw, self.coding) if whole else too_long(number)

    def _blocks(self) -> Iterator[bytes]:
        head, self._head = self._head, b""
        coding = self.coding
        decoder = None
        if coding.wide:
            decoder = codecs.getincrementaldecoder(coding.encoding)("replace")
        block = head[coding.mark :] or _some(self._stream)
        while block:
            yield decoder.decode(block).encode() if decoder is not None else coding.plain(block)
            block = _some(self._stream)


def line_of(number: int, raw: bytes, coding: Coding) -> Line:
    """Return the line that these bytes are, which `coding.plain` gave."""
    if len(raw) > LINE_BYTES_MAX + raw.endswith(b"\n"):
        return too_long(number)
    flaw = "holds a NUL byte" if b"\0" in raw else None
    try:
        text = raw.decode(coding.line_encoding)
    except UnicodeDecodeError:
        text = raw.decode(coding.line_encoding, "replace")
        flaw = f"is not valid {coding.encoding.upper()}"
    return Line(number, text, flaw)


def too_long(number: int) -> Line:
    """Return what stands for a line that is longer than `LINE_BYTES_MAX`."""
    return Line(number, "", f"is longer than {LINE_BYTES_MAX:,} bytes")


def _split(blocks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield lines with their ends, and whether each is whole; what is too long is dropped."""
    rest = b""
    dropping = False
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            if dropping or len(line) > LINE_BYTES_MAX:
                yield b"", False
                dropping = False
            else:
                yield line + b"\n", True
        if len(rest) > LINE_BYTES_MAX:
            rest, dropping = b"", True
    if rest or dropping:
        yield rest, not dropping


def _some(stream: BinaryIO) -> bytes:
    read = getattr(stream, "read1", stream.read)
    return read(BLOCK_BYTES)


def _size(stream: BinaryIO) -> int | None:
    try:
        status = os.fstat(stream.fileno())
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None

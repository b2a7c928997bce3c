"""The lines of a file or pipe, whatever its encoding, in constant memory."""

import codecs
import os
import stat
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

from charset_normalizer import from_bytes
from msgspec import Struct

SAMPLE_BYTES = 1 << 20
"""What is looked at, of a file, to find out encoding and delimiter; of a pipe what is there."""
BLOCK_BYTES = 1 << 16
LINE_BYTES_MAX = 1 << 20
LIKELY_ENCODINGS = ["cp1252", "iso8859_15", "cp1250", "cp1251", "cp1253", "mac_roman", "cp850"]
UTF8 = "utf-8"
WIDE = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Encodings whose letters are no single bytes, by their byte order marks."""


class EncodingError(Exception):
    """An encoding that Python does not know."""


class Line(Struct):
    """One line with its end. `flaw` says what is wrong with its bytes, if anything."""

    number: int
    text: str
    flaw: str | None = None


class Lines:
    """The lines of a stream. `encoding` is what they are in, `guessed` whether that is a guess.

    `had_mark` tells whether it began with a byte order mark. `size` is how many bytes
    the stream has, None for a pipe.
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
        self.had_mark = self._head.startswith((codecs.BOM_UTF8, *WIDE))
        self._narrow = next(
            (name for mark, name in WIDE.items() if self._head.startswith(mark)), None
        )
        self.guessed = False
        if self._narrow is not None:
            self.encoding = self._narrow
        elif encoding is not None:
            self.encoding = _known(encoding)
            if "\n".encode(self.encoding) != b"\n":
                self._narrow = self.encoding
        elif self._head.startswith(codecs.BOM_UTF8):
            self.encoding = UTF8
        else:
            self.encoding, self.guessed = _guess(self._head)
        self._counted = self._counted_bytes = 0
        self._back: deque[Line] = deque()
        self._lines = self._read()

    def __iter__(self) -> Iterator[Line]:
        return self

    def __next__(self) -> Line:
        return self._back.popleft() if self._back else next(self._lines)

    @property
    def line_bytes(self) -> float:
        """The bytes of a line, on average of those read so far; 0 before the first."""
        return self._counted_bytes / self._counted if self._counted else 0.0

    def push_back(self, lines: list[Line]) -> None:
        """Give `lines` again, before all others."""
        self._back.extendleft(reversed(lines))

    def ahead(self, count: int) -> list[Line]:
        """Return up to `count` lines that come next, without taking them."""
        found = [line for _, line in zip(range(count), self, strict=False)]
        self.push_back(found)
        return found

    def _read(self) -> Iterator[Line]:
        encoding = UTF8 if self._narrow is not None else self.encoding
        for number, (raw, whole) in enumerate(_split(self._blocks()), start=1):
            self._counted = number
            self._counted_bytes += len(raw)
            if not whole:
                yield Line(number, "", f"is longer than {LINE_BYTES_MAX:,} bytes")
                continue
            flaw = "holds a NUL byte" if b"\0" in raw else None
            try:
                text = raw.decode(encoding)
            except UnicodeDecodeError:
                text = raw.decode(encoding, "replace")
                flaw = f"is not valid {self.encoding.upper()}"
            yield Line(number, text, flaw)

    def _blocks(self) -> Iterator[bytes]:
        head, self._head = self._head, b""
        # the line ends of old Macs: only where the sample has no other
        lone_returns = b"\n" not in head and b"\r" in head
        if head.startswith(codecs.BOM_UTF8):
            head = head.removeprefix(codecs.BOM_UTF8)
        decoder = codecs.getincrementaldecoder(self._narrow)("replace") if self._narrow else None
        block = head
        while block:
            if decoder is not None:
                yield decoder.decode(block).encode()
            else:
                yield block.replace(b"\r", b"\n") if lone_returns else block
            block = _some(self._stream)


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


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        raise EncodingError(
            f"--encoding {encoding!r}: no such encoding; common ones are utf-8, cp1252, utf-16."
        ) from None


def _guess(head: bytes) -> tuple[str, bool]:
    """Return the encoding that the sample is in, and whether that is a guess.

    UTF-8 when more of its lines with other letters than ASCII are UTF-8 than are not: the others
    are then mistakes of single rows, which are reported.
    """
    foreign = [line for line in head.split(b"\n")[:-1] or [head] if not line.isascii()]
    wrong = [line for line in foreign if not _is_utf8(line)]
    if len(wrong) * 2 <= len(foreign):
        return UTF8, False
    matches = from_bytes(b"\n".join(wrong), cp_isolation=LIKELY_ENCODINGS)
    best = matches.best()
    if best is None:
        return LIKELY_ENCODINGS[0], True
    as_good = {
        name
        for match in matches
        if match.chaos <= best.chaos
        for name in match.could_be_from_charset
    }
    return next(name for name in (*LIKELY_ENCODINGS, best.encoding) if name in as_good), True


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode(UTF8)
    except UnicodeDecodeError:
        return False
    return True

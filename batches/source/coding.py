"""How the letters of a file stand in its bytes: its encoding, and what ends its lines."""

import codecs
from functools import cached_property

from msgspec import Struct

SAMPLE_BYTES = 1 << 20
"""What is looked at, of a file, to find out encoding and delimiter; of a pipe what is there."""
LIKELY_ENCODINGS = ["cp1252", "iso8859_15", "cp1250", "cp1251", "cp1253", "mac_roman", "cp850"]
UTF8 = "utf-8"
WIDE = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""Encodings whose letters are no single bytes, by their byte order marks; the longest first."""
_WITHOUT_MARK = {"utf-8-sig": UTF8, "utf-16": "utf-16-le", "utf-32": "utf-32-le"}


class EncodingError(Exception):
    """An encoding that Python does not know, or that is none of text."""


class Coding(Struct, frozen=True, dict=True, omit_defaults=True):
    """The encoding of a file; `guessed` tells whether that is a guess.

    `mark` is how many bytes of byte order mark it begins with. `returns` tells that its lines end
    with lone returns, as on old Macs.
    """

    encoding: str
    mark: int = 0
    guessed: bool = False
    returns: bool = False

    @cached_property
    def newline(self) -> bytes:
        """The bytes that end a line."""
        return b"\r" if self.returns else "\n".encode(self.encoding)

    @property
    def wide(self) -> bool:
        """Whether lines can't be cut, and letters not be found, byte by byte."""
        return not self.returns and self.newline != b"\n"

    @property
    def line_encoding(self) -> str:
        """The encoding of what `plain` returns."""
        return UTF8 if self.wide else self.encoding

    def plain(self, block: bytes) -> bytes:
        r"""Return whole lines so that `\n`, and no other byte of that value, ends each."""
        if self.wide:
            return block.decode(self.encoding, "replace").encode()
        return block.replace(b"\r", b"\n") if self.returns else block

    def whole(self, block: bytes | bytearray, end: int | None = None) -> int:
        """Return where the last whole line of `block`, or of what is before `end`, ends."""
        width = len(self.newline)
        at = len(block) if end is None else end
        while (at := block.rfind(self.newline, 0, at)) >= 0:
            if at % width == 0:
                return at + width
            at += width - 1  # a letter's end and another's beginning
        return 0

    def after(self, block: bytes, lines: int) -> int:
        """Return where the first so many lines of `block` end, which may be its end."""
        width = len(self.newline)
        at = 0
        while lines > 0:
            at = block.find(self.newline, at)
            if at < 0:
                return len(block)
            if at % width:
                at += 1
                continue
            at += width
            lines -= 1
        return at

    def before(self, block: bytes, lines: int) -> int:
        """Return where the last so many lines of `block`, which has whole lines only, begin."""
        at = len(block)
        for _ in range(lines):
            at = self.whole(block, at - len(self.newline))
        return at


def coding_of(head: bytes, told: str | None = None) -> Coding:
    """Return how a file is encoded that begins with `head`; `told` is what somebody says.

    Raises:
        EncodingError: nobody knows the encoding that was told.
    """
    # the line ends of old Macs: only where the sample has no other
    returns = b"\n" not in head and b"\r" in head
    for mark, name in WIDE.items():
        if head.startswith(mark):
            return Coding(name, len(mark))
    mark = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    if told is not None:
        found = Coding(_known(told), mark)
        return found if found.wide else Coding(found.encoding, mark, returns=returns)
    if mark:
        return Coding(UTF8, mark, returns=returns)
    name, guessed = _guess(head)
    return Coding(name, 0, guessed, returns)


def _known(encoding: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        "\n".encode(name)
    except (LookupError, ValueError):
        raise EncodingError(
            f"{encoding!r}: no such encoding; common ones are utf-8, cp1252, utf-16."
        ) from None
    return _WITHOUT_MARK.get(name, name)


def _guess(head: bytes) -> tuple[str, bool]:
    """Return the encoding that the sample is in, and whether that is a guess.

    UTF-8 when more of its lines with other letters than ASCII are UTF-8 than are not: the others
    are then mistakes of single rows, which are reported.
    """
    foreign = [line for line in head.split(b"\n")[:-1] or [head] if not line.isascii()]
    wrong = [line for line in foreign if not _is_utf8(line)]
    if len(wrong) * 2 <= len(foreign):
        return UTF8, False
    from charset_normalizer import from_bytes  # noqa: PLC0415 - most files are UTF-8

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

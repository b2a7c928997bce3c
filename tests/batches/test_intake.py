"""A file becomes the same chunks however it arrives, wherever it broke and however it goes on."""

import gzip
import io
import zlib
from collections.abc import Sequence
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from batches import intake
from batches.given import Layout, Records, Upload
from batches.intake import NOTHING, Intake, OtherFile
from batches.source import blocks, buffer, lines
from batches.source.dialect import Wishes
from batches.source.errors import SourceError
from batches.source.lines import Lines
from batches.source.table import Row, Table

HEADER = b"email,note\n"
BEGUN = Layout((), Upload())


class Kept(Struct):
    """What a store would have: rows and errors by line, the offset, the layout."""

    rows: dict[int, tuple[str, ...]]
    errors: list[tuple[int, str]]
    offset: int = 0
    layout: Layout = BEGUN

    @property
    def complete(self) -> bool:
        return self.layout.upload is not None and self.layout.upload.complete


def take(kept: Kept, data: bytes, size: int, *, again: bool = False, end: bool = True) -> None:
    """Take `data`, which arrives in pieces of `size` bytes, into `kept`."""
    taking = Intake(kept.layout, kept.offset, again=again)
    for at in range(0, len(data), size):
        taking.feed(data[at : at + size])
        keep(kept, taking)
    if end:
        taking.end(partial=False)
        keep(kept, taking)


def keep(kept: Kept, taking: Intake) -> None:
    while (portion := taking.take()) is not None:
        assert portion.offsets[0] == kept.offset
        kept.offset = portion.offsets[1]
        kept.layout = portion.layout
        kept.errors += [(error.line, error.why) for error in portion.errors]
        records = Records(kept.layout)
        for chunk in portion.chunks:
            found = records.given(chunk.given)
            rows = found.rows or [(record.email or "",) for record in found.records or ()]
            assert chunk.records == len(rows)
            kept.rows.update(zip(found.lines or (), rows, strict=True))


def whole(content: bytes, wishes: Wishes | None = None, size: int = 1 << 16) -> Kept:
    kept = Kept({}, [], layout=Layout((), Upload(wishes or Wishes())))
    take(kept, content, size)
    assert kept.complete
    assert kept.offset == len(content)
    upload = kept.layout.upload
    assert upload is not None
    assert upload.digest == zlib.adler32(content)
    return kept


LINE = st.sampled_from(
    [b"a@b.example,x\n", b'b@b.example,"y\nz"\n', b'"\n', b"c\n", b"\n", b",empty\n", b"\xff,x\n"]
)
FILES = st.lists(LINE, max_size=40).map(lambda found: HEADER + b"".join(found))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few lines be what a mebibyte is."""
    monkeypatch.setattr(intake, "BLOCK_BYTES", 64)
    monkeypatch.setattr(intake, "READ_BYTES", 16)
    monkeypatch.setattr(intake, "HEAD_BYTES", 128)


def expected(content: bytes) -> tuple[dict[int, tuple[str, ...]], list[tuple[int, str]]]:
    """Return the rows and errors that the reader of the command line finds."""
    rows: dict[int, tuple[str, ...]] = {}
    errors: list[tuple[int, str]] = []
    for row in Table(Lines(cast("BinaryIO", io.BytesIO(content)), "utf-8"), ","):
        if not isinstance(row, Row):
            errors.append((row.line, row.why))
        elif row.cells[0].strip():
            rows[row.line] = tuple(row.cells)
        else:
            errors.append((row.line, NOTHING))
    return rows, errors


@given(FILES, st.integers(1, 80))
def test_a_file_is_taken_as_the_command_line_reads_it(content: bytes, size: int) -> None:
    kept = whole(content, Wishes(encoding="utf-8", delimiter=","), size)
    assert (kept.rows, kept.errors) == expected(content)


@given(FILES, st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=4), st.integers(1, 80))
def test_nothing_is_lost_or_doubled_wherever_it_breaks(
    content: bytes, breaks: Sequence[tuple[float, bool]], size: int
) -> None:
    kept = Kept({}, [], layout=Layout((), Upload(Wishes(encoding="utf-8", delimiter=","))))
    for part, again in breaks:
        rest = content if again else content[kept.offset :]
        take(kept, rest[: int(len(rest) * part)], size, again=again, end=False)
    take(kept, content[kept.offset :], size)
    assert kept.complete
    assert (kept.rows, kept.errors) == expected(content)


@given(st.binary(min_size=1, max_size=5), st.integers(0, 200))
def test_another_file_is_not_mixed_with_the_one_that_was_begun(other: bytes, at: int) -> None:
    content = HEADER + b"".join(b"user%d@b.example,x\n" % at for at in range(20))
    kept = Kept({}, [])
    take(kept, content[:350], 50, end=False)
    assert kept.offset > 100
    changed = content[: at % kept.offset] + other + content[at % kept.offset + len(other) :]
    if changed[: kept.offset] == content[: kept.offset]:
        return
    with pytest.raises(OtherFile):
        take(kept, changed, 50, again=True)
    with pytest.raises(OtherFile):
        take(kept, content[:40], 50, again=True)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-be"])
def test_wide_letters_are_taken_and_gone_on_with(encoding: str) -> None:
    text = "email,note\n" + "".join(f"ä{at}@b.example,\u0a0a\u0a00 {at}\n" for at in range(40))
    content = text.encode(encoding)
    wishes = Wishes(encoding="utf-16-be") if encoding == "utf-16-be" else Wishes()
    kept = whole(content, wishes, 7)
    assert list(kept.rows.values()) == [tuple(line.split(",")) for line in text.splitlines()[1:]]
    broken = Kept({}, [], layout=Layout((), Upload(wishes)))
    take(broken, content[: len(content) // 2], 7, end=False)
    take(broken, content[broken.offset :], 7)
    assert (broken.rows, broken.offset) == (kept.rows, kept.offset)


def test_a_file_in_an_old_encoding_is_guessed_and_kept_so() -> None:
    text = "email,note\n" + "".join(f"u{at}@b.example,Müller Straße {at}\n" for at in range(30))
    kept = whole(text.encode("cp1252"))
    assert kept.rows[2] == ("u0@b.example", "Müller Straße 0")
    upload = kept.layout.upload
    assert upload is not None
    assert upload.dialect is not None
    assert (upload.dialect.coding.encoding, upload.dialect.coding.guessed) == ("cp1252", True)


def test_lines_of_old_macs_are_lines() -> None:
    kept = whole(b"email,note\ra@b.example,x\rc@b.example,y\r")
    assert kept.rows == {2: ("a@b.example", "x"), 3: ("c@b.example", "y")}


@pytest.mark.parametrize("size", [10, 1000, 100_000])
def test_a_line_that_is_far_too_long_costs_itself_only(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (lines, buffer, blocks):
        monkeypatch.setattr(module, "LINE_BYTES_MAX", 1000)
    rows = [b"a@b.example,x\n", b"b@b.example," + b"y" * 50_000 + b"\n", b"c@b.example,z\n"]
    rows += [b'"' + b"z" * 30_000 + b"\n", b"d@b.example,z\n", b"e" * 20_000]
    kept = whole(HEADER + b"".join(rows), size=size)
    assert {line: row[0][0] for line, row in kept.rows.items()} == {2: "a", 4: "c", 6: "d"}
    assert kept.errors == [(line, "is longer than 1,000 bytes") for line in (3, 5, 7)]
    broken = Kept({}, [])
    content = HEADER + b"".join(rows)
    take(broken, content[:40_000], size, end=False)
    take(broken, content, size, again=True)
    assert (broken.rows, broken.errors) == (kept.rows, kept.errors)


def test_objects_are_taken_with_what_is_wrong_in_single_lines() -> None:
    rows = [b'{"email":"a"}\n', b'{"emial":"b"}\n', b"nonsense\n", b'{"ref":"1"}\n', b"\n"]
    kept = whole(b"".join(rows) + b'{"email":"c"}')
    assert kept.rows == {1: ("a",), 6: ("c",)}
    assert [line for line, _ in kept.errors] == [2, 3, 4]
    assert "did you mean email?" in kept.errors[0][1]
    assert kept.errors[2][1] == NOTHING


def test_what_is_packed_is_taken_and_gone_on_with() -> None:
    content = HEADER + b"".join(b"user%d@b.example,x\n" % at for at in range(100))
    packed = gzip.compress(content, mtime=0)
    kept = Kept({}, [])
    take(kept, packed[: len(packed) // 2], 20, end=False)
    assert 0 < kept.offset < len(content)
    take(kept, packed, 20, again=True)
    assert len(kept.rows) == 100
    assert kept.offset == len(content)


def test_a_header_that_is_longer_than_what_is_looked_at_is_refused() -> None:
    taking = Intake(BEGUN, 0)
    taking.feed(b"email," + b"a," * 100 + b"b\n")
    with pytest.raises(SourceError, match="The header is longer than 128 bytes"):
        taking.take()


def test_a_file_is_not_taken_beyond_its_bound() -> None:
    taking = Intake(BEGUN, 0, bytes_max=1000)
    taking.feed(HEADER + b"a@b.example,x\n" * 1000)
    with pytest.raises(SourceError, match="larger than 1,000 bytes"):
        keep(Kept({}, []), taking)


def test_a_part_that_ends_in_a_row_is_kept_up_to_there() -> None:
    taking = Intake(BEGUN, 0)
    taking.feed(HEADER + b"a@b.example,x\nc@b.exam")
    taking.end(partial=True)
    kept = Kept({}, [])
    keep(kept, taking)
    assert (kept.rows, kept.complete) == ({2: ("a@b.example", "x")}, False)
    take(kept, b"c@b.example,y\n", 100)
    assert (len(kept.rows), kept.complete) == (2, True)


def test_a_part_without_a_row_asks_for_more() -> None:
    taking = Intake(BEGUN, 0)
    taking.feed(b"email,no")
    taking.end(partial=True)
    with pytest.raises(SourceError, match="Send more at once"):
        taking.take()
    nothing = Intake(BEGUN, 0)
    nothing.end(partial=True)
    assert nothing.take() is None


@pytest.mark.parametrize("most", [200, 500])
def test_chunks_have_about_as_many_records_each(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # one block as large as they are
    content = HEADER + b"a@b.example,x\n" * 1_201
    taking = Intake(BEGUN, 0, chunk_records=most)
    taking.feed(content)
    taking.end(partial=False)
    sizes: list[int] = []
    while (portion := taking.take()) is not None:
        sizes += [chunk.records for chunk in portion.chunks]
    assert sum(sizes) == 1_201
    assert max(sizes) <= most
    assert max(sizes) - min(sizes) <= 1

"""The quick way through a file and the careful one find the same."""

import io
from collections.abc import Iterator
from typing import BinaryIO, cast

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batches.source import blocks, objects
from batches.source.blocks import ObjectBlocks, TableBlocks
from batches.source.buffer import Buffer
from batches.source.coding import coding_of
from batches.source.dialect import Dialect, Format
from batches.source.lines import Lines
from batches.source.objects import Given, Objects
from batches.source.table import Row, Table

Told = list[tuple[int, object]]

# what breaks tables, and what is between
CELLS = st.sampled_from(
    ["", "a", "b c", " ", '"a"', '"a,b"', '"a\nb"', '"a""b"', '"', 'a"b', '"a"b', "ä", "\u2028"]
)
ENDS = st.sampled_from(["\n", "\n", "\n", "\r\n", "\n\n", "\r"])
LINES = st.lists(st.tuples(st.lists(CELLS, min_size=1, max_size=3), ENDS), max_size=12)
RAW = st.one_of(
    LINES.map(lambda lines: "".join(",".join(cells) + end for cells, end in lines).encode()),
    st.lists(st.sampled_from([b"a,b\n", b"\xff,b\n", b"a,\0\n", b'"x,y\n', b"\n", b"1,2"])).map(
        b"".join
    ),
)


def lines_of(content: bytes) -> Lines:
    return Lines(cast("BinaryIO", io.BytesIO(content)), "utf-8")


def carefully(content: bytes) -> Told:
    """Return what the row-by-row reader makes of a file, by line."""
    table = Table(lines_of(content), ",")
    return [(row.line, list(row.cells) if isinstance(row, Row) else row.why) for row in table]


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


def in_blocks(content: bytes, begin: int, line: int, size: int) -> Told:
    """Return what the block reader makes of it when it arrives in pieces of `size` bytes."""
    coding = coding_of(content, "utf-8")
    dialect = Dialect(Format.CSV, coding, begin, line)
    reader = TableBlocks(dialect, 2)
    buffer = Buffer(coding, begin, 1)
    told: Told = []
    for data in [*pieces(content[begin:], size), b""]:
        buffer.add(data)
        block = buffer.lines(final=not data)
        found = reader.read(block, line, final=not data)
        told += [(at, list(row)) for at, row in zip(found.lines, found.taken, strict=True)]
        told += [(error.line, error.why) for error in found.errors]
        line += found.count - found.left
        buffer.drop(coding.before(block, found.left))
    assert buffer.offset == len(content)
    return sorted(told, key=lambda one: one[0])


@given(RAW, st.integers(1, 40), st.integers(1, 4))
@example(b'a,"x\n' * 3, 40, 2)
@example(b'a,b\n"a\nb",c\nd,e\n', 40, 2)
def test_blocks_and_rows_find_the_same(raw: bytes, size: int, piece_lines: int) -> None:
    content = b"one,two\n" + raw
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "PIECE_LINES", piece_lines)
        assert in_blocks(content, len(b"one,two\n"), 2, size) == carefully(content)


BESIDE = b',"Note":"x","n":[1, 2]'
OBJECTS = st.lists(
    st.sampled_from(
        [
            b'{"email":"a@b.example"}\n',
            b'{"ref":"1","phone":{"number":"1"}}\r\n',
            b'{"emial":"x"}\n',
            b'{"email":"a@b.example"' + BESIDE + b"}\n",
            b'{"phone":{"nmuber":"1"}}\n',
            b'{"email":\n',
            b"[1]\n",
            b"\n",
            b"  \n",
            b'{"email":"\xff"}\n',
            b'{"email":"\0"}\n',
            b'{"iban":"x"}',
        ]
    ),
    max_size=12,
).map(b"".join)


@given(OBJECTS, st.integers(1, 4))
def test_objects_in_blocks_and_line_by_line_are_the_same(content: bytes, piece_lines: int) -> None:
    """But for the fields that no record has, which a block carries through."""
    expected = [
        (found.line, found.record if isinstance(found, Given) else found.why)
        for found in Objects(lines_of(content.replace(BESIDE, b"")))
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "PIECE_LINES", piece_lines)
        reader = ObjectBlocks(Dialect(Format.NDJSON, coding_of(content, "utf-8"), 0, 1), ())
        found = reader.read(content, 1, final=True)
    told: Told = [
        (line, msgspec.to_builtins(record))
        for line, record in zip(found.lines, found.taken, strict=True)
    ]
    told += [(error.line, error.why) for error in found.errors]
    assert sorted(told, key=lambda one: one[0]) == expected
    split = enumerate(content.split(b"\n"), 1)
    lines = {at for at, line in split if BESIDE in line} & set(found.lines)
    assert found.carried == {at: {"Note": '"x"', "n": "[1, 2]"} for at in lines}
    assert reader.carried == (("Note", "n") if lines else ())


def test_objects_have_so_many_fields_beside_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "COLUMNS_MAX", 3)
    content = b"".join(
        b'{"email":"a@x.example","%s":1}\n' % name for name in (b"a", b"b", b"a", b"c", b"d", b"b")
    )
    reader = ObjectBlocks(Dialect(Format.NDJSON, coding_of(content, "utf-8"), 0, 1), (), ["a"])
    found = reader.read(content, 1, final=True)
    assert found.lines == [1, 2, 3, 4, 6]
    assert [(error.line, error.why) for error in found.errors] == [
        (5, "has more fields than the 3, of 65,536 characters, that all lines together may have")
    ]
    assert reader.carried == ("a", "b", "c")


def test_the_names_of_fields_beside_are_so_long_in_all() -> None:
    """They are written with each portion: without a bound 1,000 of them come to a gigabyte."""
    names = [b"a" * 40_000, b"b" * 40_000, b"c" * 25_536, b"d"]
    content = b"".join(b'{"email":"a@x.example","%s":1}\n' % name for name in names)
    reader = ObjectBlocks(Dialect(Format.NDJSON, coding_of(content, "utf-8"), 0, 1), ())
    found = reader.read(content, 1, final=True)
    assert (found.lines, [error.line for error in found.errors]) == ([1, 3], [2, 4])
    assert sum(map(len, reader.carried)) == objects.NAMES_CHARACTERS_MAX
    again = ObjectBlocks(
        Dialect(Format.NDJSON, coding_of(content, "utf-8"), 0, 1), (), reader.carried
    )
    assert again.read(content, 1, final=True).lines == [1, 3]

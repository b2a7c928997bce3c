import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches.source.lines import LINE_BYTES_MAX, Line, Lines
from batches.source.objects import Given, Objects
from batches.source.table import LINES_IN_VAIN_MAX, Row, Table, Unreadable


def table(content: bytes, delimiter: str | None = None, encoding: str | None = None) -> Table:
    return Table(Lines(io.BufferedReader(io.BytesIO(content)), encoding), delimiter)  # pyright: ignore[reportArgumentType]


def cells(content: bytes) -> list[list[str]]:
    return [list(row.cells) for row in table(content) if isinstance(row, Row)]


def problems(content: bytes) -> dict[int, str]:
    return {row.line: row.why for row in table(content) if isinstance(row, Unreadable)}


TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8)


@given(
    st.lists(st.lists(TEXT, min_size=2, max_size=2), max_size=120),
    st.sampled_from(",;\t|"),
)
def test_every_row_is_read_whatever_its_letters(rows: list[list[str]], delimiter: str) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows([["a", "b"], *rows])
    found = table(text.getvalue().encode(), delimiter)
    assert [list(row.cells) for row in found if isinstance(row, Row)] == rows


def test_the_delimiter_is_found_out() -> None:
    for delimiter in (",", ";", "\t", "|"):
        content = (
            delimiter.join(("name", "mail")) + "\n" + delimiter.join(('"x, y; z"', "m")) + "\n"
        )
        assert table(content.encode()).columns == ["name", "mail"]
        assert cells(content.encode()) == [["x, y; z", "m"]]


def test_a_byte_order_mark_is_no_part_of_the_first_column() -> None:
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        content = "email;name\nä@b.example;Zoë\n".encode(encoding)
        assert table(content).columns == ["email", "name"], encoding
        assert cells(content) == [["ä@b.example", "Zoë"]], encoding


def test_an_encoding_that_is_not_utf_8_is_guessed_and_said_so() -> None:
    content = "name,mail\nMüller,a\nÖzil,b\nStraßmann,c\nJosé Núñez,d\n".encode("cp1252")
    found = table(content)
    assert found.lines.guessed
    assert [row.cells[0] for row in found if isinstance(row, Row)][-1] == "José Núñez"


def test_one_row_that_is_not_utf_8_is_told_and_the_rest_is_read() -> None:
    content = "a,b\né,1\n".encode() + b"\xff,2\n" + "ü,3\n".encode()
    assert cells(content) == [["é", "1"], ["ü", "3"]]
    assert problems(content) == {3: "is not valid UTF-8"}


def test_rows_of_another_width_are_told_with_their_lines() -> None:
    content = b"a,b\n1,2\n1\n1,2,3\n3,4\n"
    assert cells(content) == [["1", "2"], ["3", "4"]]
    assert problems(content) == {
        3: "has 1 cell and the header 2 columns",
        4: "has 3 cells and the header 2 columns",
    }


def test_a_quote_that_is_never_closed_costs_its_own_row_only() -> None:
    content = b'a,b\n1,2\n"3,4\n5,6\n7,8\n'
    assert cells(content) == [["1", "2"], ["5", "6"], ["7", "8"]]
    assert problems(content) == {3: "opens a quote that is never closed"}


def test_a_cell_may_hold_lines() -> None:
    assert cells(b'a,b\n"x\ny",2\n3,4\n') == [["x\ny", "2"], ["3", "4"]]


def test_nul_bytes_and_endless_cells_are_told() -> None:
    content = b"a,b\nx\0,1\n" + b"z" * 70_000 + b",2\n" + b"y" * (LINE_BYTES_MAX + 9) + b",3\n4,5\n"
    assert cells(content) == [["4", "5"]]
    assert [why.split()[0:3] for why in problems(content).values()] == [
        ["holds", "a", "NUL"],
        ["has", "a", "cell"],
        ["is", "longer", "than"],
    ]


def test_empty_lines_are_counted_and_no_rows() -> None:
    found = table(b"a,b\n\n1,2\n\n\n")
    assert len(list(found)) == 1
    assert found.blank == 3


def test_line_ends_of_every_system() -> None:
    for end in ("\n", "\r\n", "\r"):
        assert cells(f"a,b{end}1,2{end}3,4".encode()) == [["1", "2"], ["3", "4"]]


def test_ndjson_is_held_against_the_fields_of_a_record() -> None:
    content = b"""{"ref":"1","phone":{"number":"1","region":"GB"}}
{"emial":"x"}
{"phone":"1"}
[]
{"email":

{"email":"a@b.example"}"""
    found = list(Objects(Lines(io.BufferedReader(io.BytesIO(content)))))  # pyright: ignore[reportArgumentType]
    given_ones = {one.line: one.record for one in found if isinstance(one, Given)}
    assert given_ones == {
        1: {"ref": "1", "phone": {"number": "1", "region": "GB"}},
        7: {"email": "a@b.example"},
    }
    wrong = {one.line: one.why for one in found if isinstance(one, Unreadable)}
    assert wrong[2].endswith("did you mean email?")
    assert set(wrong) == {2, 3, 4, 5}


def test_a_file_full_of_quotes_that_are_never_closed_is_read_in_time_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[int] = []
    take = Lines.__next__

    def counted(lines: Lines) -> Line:
        taken.append(1)
        return take(lines)

    monkeypatch.setattr(Lines, "__next__", counted)
    content = b"a,b\n" + b'x","y\n' * 10_000 + b'1,"2\n3"\n'
    assert len(problems(content)) == 10_000
    assert cells(content) == [["1", "2\n3"]]
    assert len(taken) < 2 * (11 * 10_000 + LINES_IN_VAIN_MAX + 1000)

"""What a file is, is found out from its beginning; what is none is told in words that help."""

import gzip

import pytest

from batches.source.dialect import COLUMNS_MAX, HEAD_BYTES, Format, Wishes, dialect_of
from batches.source.errors import SourceError
from batches.source.lines import LINE_BYTES_MAX

CSV = Wishes(Format.CSV)
NDJSON = Wishes(Format.NDJSON)


def refused(head: bytes, wishes: Wishes | None = None) -> SourceError:
    with pytest.raises(SourceError) as caught:
        dialect_of(head, wishes or Wishes())
    return caught.value


@pytest.mark.parametrize(
    "head, wishes, code, says",
    [
        (b"", None, "EMPTY_FILE", "not even a header"),
        (b"\n\n  \n", None, "EMPTY_FILE", "not even a header"),
        (b"", NDJSON, "EMPTY_FILE", "empty"),
        (b"PK\x03\x04rest", None, "NOT_WHAT_IT_SAYS", "Excel"),
        (b"PK\x03\x04rest", CSV, "NOT_WHAT_IT_SAYS", "Excel"),
        (b"PAR1rest", None, "NOT_WHAT_IT_SAYS", "Parquet"),
        (b"%PDF-1.7", None, "NOT_WHAT_IT_SAYS", "PDF"),
        (b"<!doctype html>", None, "NOT_WHAT_IT_SAYS", "web page"),
        (gzip.compress(b"email\n", mtime=0), None, "NOT_WHAT_IT_SAYS", "packed twice"),
        (b'[{"email":"a"}]', None, "NOT_WHAT_IT_SAYS", "jq"),
        (b'{\n  "email": "a"\n}\n', None, "NOT_WHAT_IT_SAYS", "one object a line"),
        (b"email\na@b.example\n", NDJSON, "NOT_WHAT_IT_SAYS", "text/csv"),
        (b'{"email":"a"}\n', CSV, "NOT_WHAT_IT_SAYS", "application/x-ndjson"),
        (b"foo,bar\n1,2\n", None, "NOTHING_TO_VALIDATE", "map=foo=email"),
        (b"foo\n1\n", None, "NOTHING_TO_VALIDATE", "delimiter=;"),
        (b"em\0ail,b\n1,2\n", None, "BAD_HEADER", "NUL"),
        ("email,b\n".encode("utf-16-le"), None, "BAD_HEADER", "encoding=utf-16-le"),
        (b'"email,b\n1,2\n', None, "BAD_HEADER", "never closed"),
        (b"em\xffail,b\n" * 2, Wishes(encoding="utf-8"), "BAD_HEADER", "not valid UTF-8"),
        (b"email\n", Wishes(encoding="utf-9"), "BAD_ENCODING", "no such encoding"),
        (b"email\n", Wishes(encoding="hex"), "BAD_ENCODING", "no such encoding"),
        (b"email\n", Wishes(delimiter=";;"), "BAD_DELIMITER", "one character"),
        (b"email\n", Wishes(maps=("emial=email",)), "BAD_MAP", "Did you mean 'email'?"),
        (b"email\n", Wishes(maps=("email=emial",)), "BAD_MAP", "Did you mean email?"),
    ],
)
def test_what_is_no_file_of_records_is_told(
    head: bytes, wishes: Wishes | None, code: str, says: str
) -> None:
    error = refused(head, wishes)
    assert (error.code, says in error.message) == (code, True), error.message


def test_ten_million_columns_are_refused() -> None:
    head = (b"a," * 10_000_000)[:HEAD_BYTES]
    error = refused(head)
    assert error.code == "BAD_HEADER"
    assert f"{LINE_BYTES_MAX:,} bytes" in error.message
    assert refused(b"email," + b"a," * COLUMNS_MAX + b"\n").code == "TOO_MANY_COLUMNS"
    assert dialect_of(b"email," + b"a," * (COLUMNS_MAX - 2) + b"a\n", Wishes()).mapping is not None


def test_the_message_names_a_few_columns_only() -> None:
    head = ",".join(f"nothing{at}" for at in range(900)).encode() + b"\n"
    assert "and 880 more" in refused(head).message


@pytest.mark.parametrize(
    "head, begin, line",
    [
        (b"email,b\n1,2\n", 8, 2),
        (b"\n\nemail,b\r\n1,2\n", 11, 4),
        (b'email,"b\nb"\n1,2\n', 12, 3),
        (b"\xef\xbb\xbfemail\n1\n", 9, 2),
        ("\ufeffemail\n1\n".encode("utf-16-le"), 14, 2),
        ("\ufeffemail\n1\n".encode("utf-32-be"), 28, 2),
        (b"email\r1\r", 6, 2),
        (b"email", 5, 2),
        (b"email\n", 6, 2),
    ],
)
def test_records_begin_behind_the_header(head: bytes, begin: int, line: int) -> None:
    found = dialect_of(head, Wishes())
    assert (found.begin, found.line) == (begin, line)
    assert found.mapping is not None
    assert found.mapping.columns[0] == "email"


def test_objects_begin_at_once_whatever_is_declared() -> None:
    found = dialect_of(b'\n {"email":"a"}\n', Wishes(), ("customerNumber",))
    assert (found.format, found.begin, found.line, found.mapping) == (Format.NDJSON, 0, 1, None)

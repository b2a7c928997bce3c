"""What a client gave comes back as it was, and makes the records that the mapping says."""

from collections.abc import Sequence
from operator import attrgetter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from batches.given import (
    Layout,
    Records,
    Upload,
    empty_rows,
    packed_layout,
    packed_records,
    packed_rows,
    unpacked_layout,
)
from batches.source.coding import Coding
from batches.source.dialect import Dialect, Format, Wishes
from batches.source.mapping import TARGETS, mapping_of
from batches.source.objects import empty_records
from batches.source.record import FIELDS, GivenRecord, record_class
from schema.records import AddressInput, PhoneInput, RecordInput
from verdicts.facts import attribute_of
from verdicts.record import Record

NAMES = ("customerNumber",)
CELL = st.sampled_from(["", " ", "x", "y z", "\u00a0"])


def layout_of(targets: list[str]) -> Layout:
    columns = [f"c{at}" for at in range(len(targets))]
    told = [f"{column}={target}" for column, target in zip(columns, targets, strict=True)]
    mapping = mapping_of(columns, told, NAMES)
    dialect = Dialect(Format.CSV, Coding("utf-8"), 0, 2, ";", mapping)
    return Layout(NAMES, Upload(Wishes(maps=tuple(told)), dialect=dialect))


LAYOUTS = st.lists(
    st.sampled_from([*TARGETS, *NAMES]), min_size=1, max_size=8, unique=True
).map(layout_of)  # fmt: skip


@given(st.data())
def test_rows_make_the_records_that_the_mapping_says(data: st.DataObject) -> None:
    layout = data.draw(LAYOUTS)
    mapping = layout.mapping
    assert mapping is not None
    width = len(mapping.columns)
    rows = data.draw(st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1))
    made = [mapping.record(row) for row in rows]
    assert empty_rows(mapping, rows) == [at for at, record in enumerate(made) if not record]

    reader = Records(layout)
    found = reader.given(packed_rows(rows, range(7, 7 + len(rows))))
    assert found.rows == [tuple(row) for row in rows]
    for record, expected in zip(reader.records(found), made, strict=True):
        # the command line sends this dictionary where a batch has the object
        whole = msgspec.convert(expected, record_class(NAMES, strict=True))
        for name in (*FIELDS, *NAMES):
            attribute = attribute_of(name)
            assert getattr(record, attribute) == getattr(whole, attribute), name
        if expected:
            assert record.ref == whole.ref


def test_several_columns_are_the_lines_of_one_address() -> None:
    mapping = mapping_of(["a", "b", "c"], ["a=address.lines", "b=address.lines", "c=email"])
    dialect = Dialect(Format.CSV, Coding("utf-8"), 0, 2, ",", mapping)
    reader = Records(Layout((), Upload(dialect=dialect)))
    rows = [["x", "", "e"], ["", "y", "e"], ["x", "y", ""], ["", "", "e"]]
    records = reader.records(reader.given(packed_rows(rows, [2, 3, 4, 5])))
    assert [None if r.address is None else r.address.lines for r in records] == [
        ["x"],
        ["y"],
        ["x", "y"],
        None,
    ]


@given(st.lists(st.integers(1, 5), max_size=8))
def test_lines_come_back_as_they_were(steps: list[int]) -> None:
    lines = [2]
    for step in steps:
        lines.append(lines[-1] + step)
    reader = Records(Layout())
    blob = packed_records([GivenRecord(email="e")] * len(lines), lines)
    assert list(reader.given(blob).lines or ()) == lines


def converted(records: Sequence[Record]) -> list[GivenRecord]:
    """Return `records` of any class as a batch keeps them."""
    made = record_class(NAMES, strict=False)
    return msgspec.convert(records, list[made], from_attributes=True)


def test_inline_records_come_back_with_all_their_parts() -> None:
    made = record_class(NAMES, strict=True)
    own = msgspec.convert({"email": "e", "customerNumber": "17"}, made)
    sent = [
        RecordInput(ref="1", phone=PhoneInput(number="2", region="GB")),
        RecordInput(address=AddressInput(lines=["x"], postal_code="y"), vat_number="z"),
    ]
    reader = Records(Layout(NAMES))
    found = reader.given(packed_records(converted([*sent, own])))
    assert found.lines is None
    first, second, third = reader.records(found)
    assert first.ref == "1"
    assert first.phone is not None
    assert (first.phone.number, first.phone.region) == ("2", "GB")
    assert second.address is not None
    assert (second.address.lines, second.address.postal_code) == (["x"], "y")
    assert second.vat_number == "z"
    assert attrgetter("email", "customer_number")(third) == ("e", "17")


def test_a_field_that_is_configured_no_longer_does_not_hide_the_others() -> None:
    own = record_class(NAMES, strict=True)(email="e")
    blob = packed_records(converted([own]))
    reader = Records(Layout())
    assert [record.email for record in reader.records(reader.given(blob))] == ["e"]


def test_records_without_a_field_are_found() -> None:
    made = record_class(NAMES, strict=True)
    filled = msgspec.convert({"customerNumber": "1"}, made)
    assert empty_records(NAMES, [made(ref="1"), made(iban="x"), filled, made()]) == [0, 3]


@given(LAYOUTS)
def test_a_layout_comes_back_as_it_was(layout: Layout) -> None:
    again = unpacked_layout(packed_layout(layout))
    assert packed_layout(again) == packed_layout(layout)
    assert again.mapping is not None
    assert layout.mapping is not None
    assert again.mapping.told() == layout.mapping.told()
    assert unpacked_layout(b"") == Layout()

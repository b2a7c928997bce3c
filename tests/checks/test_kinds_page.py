"""docs/kinds.md tells the truth."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from checks.kinds import kind_of
from checks.tables import written
from tests.checks.kinds import reason_of

PAGE = (Path(__file__).parents[2] / "docs" / "kinds.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.splitlines()
    if line.startswith("| ") and ('| `"' in line or "| `{" in line)
]
PARTS = {
    "phone": ["number", "region"],
    "company": ["number", "jurisdiction", "name"],
    "postcode": ["code", "country"],
    "address": ["lines", "locality", "administrativeArea", "postalCode", "country"],
}
PYTHON_NAMES = {"administrativeArea": "administrative_area", "postalCode": "postal_code"}


def value_of(kind: str, cell: str) -> Any:  # noqa: ANN401 - each kind has its own
    """Return what a record carries for the JSON in a table's cell."""
    value = json.loads(cell.strip("`"))
    if isinstance(value, str):
        return value
    assert set(value) <= set(PARTS[kind])
    return SimpleNamespace(**{PYTHON_NAMES.get(p, p): value.get(p) for p in PARTS[kind]})


def test_the_tables_are_those_of_the_kinds() -> None:
    """When this fails: `python -m checks.tables docs/kinds.md`."""
    assert written(PAGE) == PAGE


@pytest.mark.parametrize("row", [row for row in ROWS if len(row) == 3], ids=lambda row: row[1])
def test_an_example_has_the_canonical_form_that_the_page_shows(row: list[str]) -> None:
    kind, value, canonical = row
    examined = kind_of(kind).examine(value_of(kind, value))
    assert examined.canonical == canonical.strip("`").replace("` / `", "\n")


@pytest.mark.parametrize("row", [row for row in ROWS if len(row) == 5], ids=lambda row: row[1])
def test_an_example_has_the_reason_that_the_page_shows(row: list[str]) -> None:
    kind, value, check, conclusion, code = row
    examined = kind_of(kind).examine(value_of(kind, value))
    assert reason_of(examined, check) == (conclusion, code)


def test_the_page_shows_every_kind() -> None:
    assert len(ROWS) > 30
    assert {row[0] for row in ROWS} == {
        "email", "phone", "vatNumber", "iban", "lei", "company", "address", "postcode"
    }  # fmt: skip


def test_a_page_without_markers_is_an_error() -> None:
    with pytest.raises(ValueError, match="markers"):
        written("# Kinds")

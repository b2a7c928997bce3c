import csv
from pathlib import Path

from graphql import build_schema, parse, validate

from batches.source.mapping import TARGETS, mapping_of
from checks.kinds import KINDS
from examples.make_contacts import COLUMNS, MAGIC, PATH, contacts
from gateway.cli.documents import FIELDS, PROVIDERS, validate_document
from gateway.cli.documents import KINDS as KINDS_DOCUMENT
from sandbox.inputs import SANDBOX_INPUTS
from schema.roots import build_schema as build_ours

EXAMPLES = Path(PATH).parent


def written() -> list[dict[str, str]]:
    with PATH.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_contacts_are_what_their_generator_makes() -> None:
    assert written() == contacts()


def test_the_contacts_are_many_and_about_a_third_of_them_come_again() -> None:
    rows = written()
    assert len(rows) >= 2000
    seen: set[tuple[str, ...]] = set()
    for row in rows:
        seen.add(tuple("".join(row[column].split()).lower() for column in COLUMNS[1:]))
    assert 0.25 < 1 - len(seen) / len(rows) < 0.45


def test_the_contacts_have_accents_and_empty_cells_and_many_kinds() -> None:
    rows = written()
    assert sum(not row["name"].isascii() for row in rows) > 200
    assert any(not row["email"].isascii() for row in rows)
    for column in COLUMNS[2:]:
        filled = sum(bool(row[column]) for row in rows)
        assert 0 < filled < len(rows), column
    assert len(mapping_of(COLUMNS).fields) >= 7


def test_the_magic_contacts_are_known_to_the_sandbox() -> None:
    known = {one.value for one in SANDBOX_INPUTS}
    for row in MAGIC:
        assert next(value for column, value in row.items() if column != "country") in known


def test_operations_of_the_command_line_fit_the_schema() -> None:
    sdl = build_schema(build_ours().as_str())
    documents = [KINDS_DOCUMENT, PROVIDERS]
    documents += [validate_document(FIELDS, full=full) for full in (True, False)]
    documents += [path.read_text("utf-8") for path in sorted(EXAMPLES.glob("*.graphql"))]
    assert len(documents) >= 8
    for document in documents:
        assert validate(sdl, parse(document)) == [], document


def test_the_full_selection_leaves_no_field_of_a_verdict_out() -> None:
    schema = build_schema(build_ours().as_str())
    document = validate_document(FIELDS, full=True)
    for module in KINDS:
        name = module.KIND.name
        verdict = schema.type_map[f"{name[0].upper()}{name[1:]}Verdict"]
        for field in verdict.fields:  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
            assert field in document, f"{name}.{field}"


def test_columns_can_become_every_field_of_a_record() -> None:
    record = build_schema(build_ours().as_str()).type_map["RecordInput"]
    names: set[str] = set(record.fields)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
    assert {target.partition(".")[0] for target in TARGETS} == names

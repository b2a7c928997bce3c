"""What clients are told of errors, and what the log is told."""

from typing import Any

import pytest
from strawberry.types.graphql import OperationType

from schema.lane.schema import FastSchema
from tests.logged import logged
from tests.schema.toy import BOOK, SHELF, Refused, Shelf, World, toy_schema

REFUSED = "GRAPHQL_VALIDATION_FAILED"
SECRET = "alice@example.com"
PUT = "mutation Put($r: RecordInput!) { put(record: $r) { ref index items { title } } }"


async def answers(query: str, answer: object, **variables: object) -> list[Any]:
    """Return what the stock executor and what the lane's replay answer."""
    schema = toy_schema()
    return [await schema.answer(query, variables, None, World(lambda _: answer)) for _ in range(3)]


@pytest.mark.parametrize(
    "fault", [ValueError(SECRET), KeyError(SECRET), None, SECRET, BOOK, [SHELF]]
)
async def test_faults_of_ours_are_masked_with_an_id_that_the_log_has(fault: object) -> None:
    with logged("schema.lane.errors") as logs:
        found = await answers(PUT, fault, r={})
    for answer in found:
        error = answer.errors[0]
        assert error["message"] == f"Internal error; quote id {error['extensions']['id']}"
        assert error["extensions"]["code"] == "INTERNAL"
        found_log = next(log for log in logs if log.get("id") == error["extensions"]["id"])
        assert found_log["operation"] == "Put"
        assert found_log["path"][0] == "put"
        assert found_log["types"]
    assert SECRET not in str(found)
    assert SECRET not in str(logs)


async def test_where_a_fault_comes_from_is_logged_without_its_message() -> None:
    with logged("schema.lane.errors") as logs:
        await answers(PUT, ValueError(SECRET), r={})
    assert all("toy.py" in str(log["frames"]) for log in logs)
    assert {log["types"][0] for log in logs} == {"builtins.ValueError"}


async def test_our_own_data_in_a_wrong_place_is_not_shown() -> None:
    """graphql-core says `Int cannot represent non-integer value: 'alice@…'`."""
    wrong = Shelf("1", SECRET, BOOK, (), None, None, [], None)
    for answer in await answers(PUT, wrong, r={}):
        assert SECRET not in str(answer.errors)
        assert answer.errors[0]["path"] == ["put", "index"]


async def test_a_public_error_keeps_its_message_and_code() -> None:
    for answer in await answers(PUT, Refused("Send fewer."), r={}):
        error = answer.errors[0]
        assert (error["message"], error["extensions"]["code"]) == ("Send fewer.", "TOO_MANY")


@pytest.mark.parametrize(
    "query, variables, code",
    [
        ("{", {}, "GRAPHQL_PARSE_FAILED"),
        ("{ nope }", {}, REFUSED),
        (PUT, {"r": {"colour": SECRET}}, "BAD_USER_INPUT"),
        (PUT, {"r": {"since": SECRET}}, "BAD_USER_INPUT"),
        (PUT, {"r": SECRET}, "BAD_USER_INPUT"),
        (PUT, {"r": {"nothing": SECRET}}, "BAD_USER_INPUT"),
        (PUT, {"r": {"ref": [SECRET]}}, "BAD_USER_INPUT"),
        ('{ shelf(record: "a" "alice@example.com") { ref } }', {}, "GRAPHQL_PARSE_FAILED"),
        (PUT, {}, "BAD_USER_INPUT"),
        (
            '{ shelf(record: {since: "alice@example.com"}) { ref } }',
            {},
            "GRAPHQL_VALIDATION_FAILED",
        ),
    ],
)
async def test_a_clients_mistake_is_told_to_it_and_only_its_code_to_the_log(
    query: str, variables: dict[str, Any], code: str
) -> None:
    with logged("schema.lane.errors") as logs:
        found = await answers(query, SHELF, **variables)
    assert [answer.errors[0]["extensions"]["code"] for answer in found] == [code] * 3
    assert [answer.stopped for answer in found] == ["refused"] * 3
    assert {log["code"] for log in logs} == {code}
    assert {log["level"] for log in logs} == {"info"}
    assert SECRET not in str(logs)
    assert SECRET not in str([answer.errors for answer in found])


@pytest.mark.parametrize(
    "query, variables",
    [
        ("{ shelff { ref } }", {}),
        ("{ shelf { reff } }", {}),
        ("{ shelf(recor: null) { ref } }", {}),
        ("query Q($r: RecordInpu) { shelf(record: $r) { ref } }", {}),
        ("{ item(colours: [REDD]) { title } }", {}),
        (PUT, {"r": {"nam": "x"}}),
        (PUT, {"r": {"colour": "REDD"}}),
    ],
)
async def test_no_error_suggests_names(query: str, variables: dict[str, Any]) -> None:
    for answer in await answers(query, SHELF, **variables):
        assert answer.errors
        assert "Did you mean" not in str(answer.errors)


async def test_many_errors_share_one_id_and_a_bounded_log() -> None:
    with logged("schema.lane.errors") as logs:
        query = "query Q($r: [RecordInput!]!) { shelves(records: $r) { grid } }"
        wrong = [Shelf("1", 1, None, (), None, None, [[SECRET] * 40], None)]
        found = await answers(query, wrong, r=[])
    for answer in found:
        assert len({error["extensions"]["id"] for error in answer.errors}) == 1
    assert len(logs) <= 3 * 11


async def test_an_operation_of_another_sort_is_told_apart() -> None:
    schema: FastSchema = toy_schema()
    context = World(lambda _: SHELF)
    for _ in range(3):
        answer = await schema.answer(PUT, {"r": {}}, None, context, queries_only=True)
        assert answer.stopped == "mutation"
    assert context.calls == []
    assert schema.plan_for(PUT).operation_type is OperationType.MUTATION

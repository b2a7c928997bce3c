import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import strawberry
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionResult

from schema.lane.documents import DOCUMENT_CHARS_MAX
from schema.lane.generated import NotPlain
from schema.lane.schema import PLANS_MAX, FastSchema
from tests.schema.toy import BOOK, FILM, SHELF, Colour, Refused, World, toy_schema

PUT = "mutation Put($r: RecordInput!) { put(record: $r) { ref items { title } } }"
RECORD = {"name": "Zoë", "part": {"number": 3}, "colour": "GREEN"}


def world(**answers: object) -> World:
    return World(lambda name: answers.get(name, SHELF))


async def run(
    schema: FastSchema, query: str, context: World, **variables: object
) -> ExecutionResult:
    return await schema.execute(query, variables, context_value=context)


async def test_a_document_takes_the_lane_from_its_second_sighting_on() -> None:
    schema, context = toy_schema(), world()
    answers = [(await run(schema, PUT, context, r=RECORD)).data for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert (schema.statistics.stock, schema.statistics.fast) == (1, 2)
    assert context.calls[0] == context.calls[1] == context.calls[2]


async def test_documents_that_never_come_again_cannot_push_out_a_plan() -> None:
    schema, context = toy_schema(), world()
    for _ in range(2):
        await run(schema, PUT, context, r=RECORD)
    for index in range(PLANS_MAX + 10):
        await run(schema, f"{{ __typename a{index}: __typename }}", context)
    await run(schema, PUT, context, r=RECORD)
    assert schema.statistics.fast == 2


async def test_names_of_operations_that_are_not_there_cannot_push_out_a_plan() -> None:
    schema, context = toy_schema(), world()
    for _ in range(2):
        await run(schema, PUT, context, r=RECORD)
    for index in range(PLANS_MAX + 10):
        answer = await schema.answer(PUT, {"r": RECORD}, f"No{index}", context)
        assert answer.stopped == "refused"
    await run(schema, PUT, context, r=RECORD)
    assert schema.statistics.fast == 2


async def test_a_document_too_long_to_be_kept_is_answered_all_the_same() -> None:
    schema, context = toy_schema(), world()
    query = f"{PUT} #{'x' * DOCUMENT_CHARS_MAX}"
    answers = [await run(schema, query, context, r=RECORD) for _ in range(3)]
    assert [answer.errors for answer in answers] == [None] * 3
    assert schema.statistics.stock == 3


@pytest.mark.parametrize("record", [None, 5, [], {"nope": 1}, {"part": {}}, {"colour": "BLUE"}])
async def test_a_wrong_variable_is_told_before_a_resolver_runs(record: object) -> None:
    schema, context = toy_schema(), world()
    for _ in range(3):
        answer = await run(schema, PUT, context, r=record)
        assert answer.data is None
        assert answer.errors is not None
        assert answer.errors[0].extensions == {"code": "BAD_USER_INPUT"}
    assert context.calls == []


async def test_a_resolver_that_raises_runs_once_for_each_request() -> None:
    schema = toy_schema()
    for times in range(1, 4):
        context = world(put=Refused("Too many."))
        answer = await run(schema, PUT, context, r=RECORD)
        assert [error.message for error in answer.errors or []] == ["Too many."]
        assert [error.extensions for error in answer.errors or []] == [{"code": "TOO_MANY"}]
        assert (len(context.calls), schema.statistics.replay) == (1, times - 1)


async def test_after_a_null_that_may_not_be_the_next_root_field_does_not_run() -> None:
    schema = toy_schema()
    query = "mutation M($r: RecordInput!) { put(record: $r) { ref } take { title } }"
    for _ in range(3):
        context = world(put=None, take=BOOK)
        answer = await run(schema, query, context, r=RECORD)
        assert (answer.data, [call[0] for call in context.calls]) == (None, ["put"])


async def test_after_a_failed_root_field_that_may_be_null_the_next_one_runs_once() -> None:
    schema = toy_schema()
    query = "mutation M($r: RecordInput!) { take { title } put(record: $r) { ref } }"
    for _ in range(3):
        context = world(take=KeyError("gone"), put=SHELF)
        answer = await run(schema, query, context, r=RECORD)
        assert answer.data == {"take": None, "put": {"ref": "7"}}
        assert [call[0] for call in context.calls] == ["take", "put"]


async def test_an_exception_that_is_returned_is_an_error_even_if_only_its_type_is_asked() -> None:
    schema = toy_schema()
    query = "query Q { shelf { __typename } }"
    for _ in range(3):
        answer = await run(schema, query, world(shelf=ValueError("returned")))
        assert (answer.data, len(answer.errors or [])) == ({"shelf": None}, 1)


async def test_a_list_argument_is_a_new_list_for_each_call() -> None:
    """A resolver may change its arguments without changing a constant of the document."""
    schema = toy_schema()
    query = "query Q { item(colours: [RED]) { title } }"
    for _ in range(4):
        context = world(item=FILM)
        await run(schema, query, context)
        colours = context.calls[0][1][0]
        assert colours == [Colour.RED]
        colours.clear()


async def test_cancelling_ends_the_resolver_and_is_not_answered() -> None:
    entered = asyncio.Event()

    @strawberry.type
    class Waiting:
        @strawberry.field
        async def forever(self) -> int:
            entered.set()
            await asyncio.Event().wait()
            return 1

    schema = FastSchema(Waiting)
    schema.documents.comes_again("{ forever }")
    task = asyncio.ensure_future(schema.execute("{ forever }"))
    await asyncio.wait_for(entered.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert schema.statistics.replay == 0


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { queryType { name } } }",
        "query Q($b: Boolean!) { shelf { ref @include(if: $b) } }",
        "{ shelf { ref } item { title } }",
        "query Q($n: Int!) { shelf(record: {part: {number: $n}}) { ref } }",
    ],
)
def test_what_needs_the_stock_executor_says_why(query: str) -> None:
    with pytest.raises(NotPlain, match=r"\w"):
        toy_schema().plan_for(query)


@pytest.mark.parametrize(
    "query",
    [
        "query Q($f: Int = 4) { shelves(records: [], first: $f) { ref } }",
        'query Q { shelves(records: [{name: "x", part: {number: 1}}]) { ref } }',
        "query A { shelf { ref } } query Q { item { title } }",
        "query Q { either { ...on Book { pages } ...F } } fragment F on Item { title }",
        "query Q { shelf { ref @skip(if: true) index } }",
    ],
)
def test_constants_defaults_and_fragments_take_the_lane(query: str) -> None:
    assert toy_schema().plan_for(query, "Q").roots


@strawberry.type
class Small:
    @strawberry.field
    def name(self) -> str:
        return "small"


async def test_extensions_close_the_lane_because_it_runs_none() -> None:
    ran: list[str] = []

    class Counting(SchemaExtension):
        def on_operation(self) -> Iterator[None]:
            ran.append("operation")
            yield

    schema = FastSchema(Small, extensions=[Counting])
    for _ in range(3):
        await schema.execute("{ name }")
    assert (len(ran), schema.statistics.stock) == (3, 3)


async def test_info_tells_the_same_on_both_ways() -> None:
    told: list[Any] = []

    def ask(info: strawberry.Info[Any, Any], given: object) -> str:
        told.append(
            (
                info.field_name,
                info.python_name,
                info.path.as_list(),
                info.variable_values,
                info.operation.name.value if info.operation.name else None,
                info.context,
                info.root_value,
                info.query,
                str(info.selected_fields),
                str(info.return_type),
                given,
            )
        )
        return "told"

    @strawberry.type
    class Asking:
        @strawberry.field
        def my_field(self, info: strawberry.Info[Any, Any], given: Colour | None = None) -> str:
            return ask(info, given)

    schema = FastSchema(Asking)
    query = "query Q($g: Colour) { mine: myField(given: $g) }"
    for _ in range(2):
        await schema.execute(query, {"g": "RED"}, "context", "root")
    assert schema.statistics.fast == 1
    assert told[0] == told[1]


@pytest.mark.parametrize("size", [10, 200, 640])
@pytest.mark.parametrize("shape", ["fields", "inline fragments", "lists"])
async def test_a_deep_document_is_answered_or_refused_but_never_a_fault(
    size: int, shape: str
) -> None:
    shapes: dict[str, Callable[[int], str]] = {
        "fields": lambda n: f"{{ {'shelf {' * n} ref {'}' * n} }}",
        "inline fragments": lambda n: f"{{ shelf {'{ ... on Shelf ' * n} {{ ref }} {'}' * n} }}",
        "lists": lambda n: f"{{ item(colours: {'[' * n}{']' * n}) {{ title }} }}",
    }
    schema = toy_schema()
    for _ in range(3):
        answer = await schema.answer(shapes[shape](size), None, None, world(item=FILM))
        assert answer.stopped != "failed"


async def test_a_document_of_too_many_tokens_is_refused() -> None:
    schema = toy_schema()
    for _ in range(2):
        answer = await schema.answer(f"{{ {'__typename ' * 2_001} }}", None, None, world())
        assert answer.stopped == "refused"
        assert answer.errors is not None
        assert "2000 tokens" in answer.errors[0]["message"]

"""What `selected` tells a resolver, on the lane and off it."""

from typing import Any

from schema.lane.selection import Selection
from tests.schema.toy import FILM, SHELF, World, toy_schema

Tree = dict[str, Any]


def tree(selection: Selection) -> Tree:
    """Return a selection as plain data."""
    return {
        "fields": {name: tree(field) for name, field in selection.fields.items()},
        "types": {name: tree(field) for name, field in selection.types.items()},
        "paths": sorted(selection.paths),
    }


async def selections(query: str, variables: dict[str, Any] | None = None) -> list[Selection]:
    """Return what resolvers saw: first the stock executor's, then the lane's if it has a plan."""
    seen: list[Selection] = []
    schema = toy_schema()
    inner = schema.selection

    def watching(info: Any) -> Selection:  # noqa: ANN401
        seen.append(inner(info))
        return seen[-1]

    schema.selection = watching
    for _ in range(3):
        await schema.execute(
            query, variables, World(lambda name: FILM if name == "item" else SHELF)
        )
    return seen


async def test_fields_are_python_names_merged_over_aliases_and_fragments() -> None:
    query = """query Q { shelf { a: favourite { madeAt } favourite { ...F } __typename } }
        fragment F on Book { title tags { name } t: tags { weight } }"""
    stock, fast, again = await selections(query)
    assert stock.paths == {
        "favourite",
        "favourite.made_at",
        "favourite.title",
        "favourite.tags",
        "favourite.tags.name",
        "favourite.tags.weight",
    }
    assert tree(stock) == tree(fast)
    assert fast is again


async def test_an_interface_has_a_selection_for_each_of_its_types() -> None:
    query = "query Q { item { title ... on Film { lead { pages } } ... on Book { price } } }"
    stock, fast, _ = await selections(query)
    assert fast.types["Film"].paths == {"title", "lead", "lead.pages"}
    assert fast.types["Book"].paths == {"title", "price"}
    assert fast.paths == {"title", "lead", "lead.pages", "price"}
    assert tree(stock) == tree(fast)


async def test_what_is_skipped_is_not_selected() -> None:
    query = """query Q { shelf {
        ref @skip(if: true) index @include(if: false) grid @include(if: true)
        ... on Shelf @skip(if: true) { lasts } } }"""
    stock, fast, _ = await selections(query)
    assert stock.paths == fast.paths == {"grid"}


async def test_conditions_by_variables_are_applied_off_the_lane() -> None:
    query = "query Q($b: Boolean!) { shelf { ref @include(if: $b) index @skip(if: $b) } }"
    assert [found.paths for found in await selections(query, {"b": True})] == [{"ref"}] * 3
    assert [found.paths for found in await selections(query, {"b": False})] == [{"index"}] * 3


async def test_off_the_lane_equal_operations_have_the_same_selection_object() -> None:
    query = "query Q($b: Boolean!) { shelf { ref @skip(if: $b) } }"
    first, second, third = await selections(query, {"b": False})
    assert second is third
    assert tree(first) == tree(second)

"""How large a document may be, and what that costs."""

import asyncio
import sys
from itertools import pairwise
from typing import Any

import pytest
from graphql import parse
from hypothesis import given
from hypothesis import strategies as st

from schema.lane import limits
from schema.lane.limits import TooLarge, check_size
from schema.roots import build_schema
from tests.schema.hostile import SHAPES
from tests.schema.test_lane import world
from tests.schema.toy import toy_schema

SIZES = (15, 30, 60, 120, 240, 480, 960)
STEPS_MAX, STEPS_OVER_MAX = 400_000, 3_000


def size_of(document: str) -> None:
    check_size(parse(document))


@pytest.mark.parametrize(
    "document, told",
    [
        ("{ a " + "b " * limits.FIELDS_MAX + "}", "fields of one name side by side"),
        ("{ " + " ".join(f"b{n}" for n in range(limits.FIELDS_MAX + 1)) + " }", "1001 fields"),
        ("{ " + " ".join(f"b{n}: b" for n in range(31)) + " }", "31 aliases"),
        ("{ a " + "@b " * 51 + "}", "51 directives"),
        ("query @a " + "@b " * 50 + "{ a }", "51 directives"),
        ("{ a " * 13 + "}" * 13, "13 levels"),
        ("{ __schema " + "{ a " * 20 + "}" * 21, "21 levels of introspection"),
        (" ".join(f"query Q{n} {{ a }}" for n in range(11)), "11 operations"),
        ("{ a } " + " ".join(f"fragment f{n} on Q {{ a }}" for n in range(31)), "31 fragments"),
        ("{ a(b: {" + " ".join(f"c{n}: 1" for n in range(51)) + "}) }", "51 members"),
        ("query ($v: I = {" + " ".join(f"c{n}: 1" for n in range(51)) + "}) { a }", "51 members"),
        ("{ a(b: [[{ c: {" + " ".join(f"c{n}: 1" for n in range(51)) + "}}]]) }", "51 members"),
    ],
)
def test_what_is_too_large_is_told_in_which_way(document: str, told: str) -> None:
    with pytest.raises(TooLarge, match=told):
        size_of(document)


@pytest.mark.parametrize(
    "document",
    [
        "{ " + " ".join(f"b{n}" for n in range(limits.FIELDS_MAX)) + " }",
        "{ " + " ".join(f"b{n}: b" for n in range(30)) + " }",
        "{ a " * 12 + "}" * 12,
        "{ a { ...f } } fragment f on A { b ...g } fragment g on A { c }",
        "{ __schema " + "{ a " * 19 + "}" * 20,
    ],
)
def test_what_is_as_large_as_it_may_be_is_taken(document: str) -> None:
    size_of(document)


def test_what_a_fragment_unfolds_to_is_what_counts() -> None:
    chain = "".join(f"fragment f{n} on Q {{ ...f{n + 1} ...f{n + 1} }} " for n in range(10))
    with pytest.raises(TooLarge, match="1024 fields"):
        size_of("{ ...f0 } " + chain + "fragment f10 on Q { a }")
    with pytest.raises(TooLarge, match="60 aliases"):
        size_of("{ a { ...f } b { ...f } } fragment f on Q { " + "x: a y: a z: a " * 10 + "}")


@given(st.integers(1, 12), st.integers(1, 12))
def test_a_circle_of_fragments_ends(length: int, at: int) -> None:
    each = " ".join(f"fragment f{n} on Q {{ a ...f{(n + 1) % length} }}" for n in range(length))
    with pytest.raises(Exception, match="spreads itself"):
        size_of(f"{{ a {{ ...f{at % length} }} }} {each}")


async def test_over_every_way_it_has_a_code_of_its_own() -> None:
    schema = toy_schema()
    for document in (
        "{ " + " ".join(f"b{n}: __typename" for n in range(31)) + " }",
        "{ " + "__typename " * 2_000 + "}",
    ):
        for _ in range(3):
            said = await schema.answer(document, None, None, world())
            assert said.stopped == "refused"
            assert [error["extensions"]["code"] for error in said.errors or ()] == [
                "DOCUMENT_TOO_LARGE"
            ]


@pytest.mark.parametrize("name", SHAPES)
def test_what_a_hostile_document_costs_grows_no_faster_than_it(name: str) -> None:
    """Counted in calls of Python, which a busy machine does not change."""
    schema: Any = build_schema()
    shape = SHAPES[name]

    def steps(n: int, mark: int) -> int:
        document = f"{shape(n)} #{mark}"  # or it would be known
        return _steps(lambda: asyncio.run(schema.answer(document, None, "Q1", _Nobody())))

    steps(3, 0)
    found = [steps(n, 1) for n in SIZES]
    for less, more in pairwise(found):
        assert more <= 2.5 * less + STEPS_OVER_MAX, (name, found)
    assert max(found) <= STEPS_MAX, (name, found)


class _Nobody:
    """Who may do nothing, so that nothing is run."""

    class principal:  # noqa: N801 - as an attribute of a context
        scopes: frozenset[object] = frozenset()


def _steps(work: Any) -> int:  # noqa: ANN401 - a call
    """Return how many calls of Python functions `work` takes."""
    count = 0

    def note(frame: object, event: str, arg: object) -> None:
        nonlocal count
        del frame, event, arg
        count += 1

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "document",
    [
        "mutation { a: ONE b: ONE }",
        "mutation { ...f b: ONE } fragment f on Mutation { a: ONE }",
        (
            "mutation { ... on Mutation { ...g } } fragment f on Mutation { a: ONE }"
            " fragment g on Mutation { ...f ...f b: ONE }"
        ),
    ],
)
async def test_what_spends_stands_in_an_operation_once(document: str) -> None:
    one = 'validate(records: [{email: "a@b.example"}]) { results { index } }'
    schema: Any = build_schema()
    said = await schema.answer(document.replace("ONE", one), None, None, _Nobody())
    assert said.stopped == "refused"
    assert "fields that validate" in said.errors[0]["message"]

"""What the toy schema's resolvers return: mostly right, and wrong in every way."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from strawberry import UNSET

from tests.schema.toy import (
    BOOK,
    FILM,
    MADE_AT,
    SHELF,
    TAG,
    Book,
    Colour,
    Film,
    Refused,
    Shelf,
    Tag,
)

Values = SearchStrategy[object]


def of(*values: object) -> Values:
    return st.sampled_from(values)


def just(value: object) -> Values:
    return st.just(value)


titles = of(*["", "Emma", 3, 1.5, True, None, object, b"x", ValueError("no")])
numbers = of(*[0, 1, -2, 2**31, 1.0, 1.5, "4", True, None, "no", float("nan"), Decimal(3)])
colours = of(*Colour, "red", "RED", None, 1)
moments = of(MADE_AT, None, MADE_AT.date(), "2026", 5)
tag: Values = st.one_of(
    just(TAG),
    st.builds(Tag, titles, numbers, colours),
    of(None, BOOK, KeyError("tag"), UNSET),
)
tags: Values = st.one_of(
    just((TAG,)),
    st.lists(tag, max_size=3),
    st.lists(tag, max_size=2).map(tuple),
    of(None, "tags", {"a": 1}, 5, frozenset({TAG})),
)
plain_head = (just("t"), just(Colour.RED), just(()), just(None))
prices = of(None, Decimal("1.5"), 2)
book: Values = st.one_of(
    just(BOOK),
    st.builds(Book, titles, colours, tags, moments, numbers, prices),
    st.builds(Book, *plain_head),
)
film: Values = st.one_of(
    just(FILM),
    st.builds(Film, titles, colours, tags, moments, numbers, st.one_of(just(None), book)),
    st.builds(Film, *plain_head),
)
item: Values = st.one_of(book, film, of(None, SHELF, TAG, {}, "item", RuntimeError("item")))
right_shelf: Values = st.builds(
    Shelf,
    just("1"),
    just(1),
    just(None),
    st.lists(of(BOOK, FILM), max_size=2),
    of(None, BOOK),
    just([TAG]),
    just([[3]]),
    just(None),
)
any_shelf: Values = st.builds(
    Shelf,
    titles,
    numbers,
    st.one_of(just(None), book, item),
    st.lists(item, max_size=3),
    item,
    tags,
    of([], [[1], ()], [[1.0]], [None], None),
    of(None, timedelta(seconds=3), 7),
)
faults = of(None, Refused("too many"), ValueError("shelf"), BOOK)
shelf: Values = st.one_of(just(SHELF), any_shelf, right_shelf, faults)
ANSWERS: dict[str, Values] = {
    "shelves": st.one_of(just([SHELF] * 2), st.lists(shelf, max_size=3), shelf),
    "shelf": shelf,
    "put": shelf,
    "item": item,
    "take": item,
    "either": item,
    "changes": st.one_of(st.lists(shelf, max_size=3), faults),
    "latest": st.one_of(st.lists(item, max_size=3), faults),
}

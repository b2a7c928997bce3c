"""Whatever a service sends: only an answer that keeps its contract says something of a value."""

import json
from collections.abc import Mapping, Sequence
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import ProviderError
from providers.exchange import Service
from providers.services import zerobounce
from providers.services.zerobounce import REASONS
from tests.providers import conversation as told
from tests.providers.conversation import EXAMPLES, Example, Unfinished, answer, converse
from verdicts.outcome import Conclusion, Found

Path = tuple[str | int, ...]
DECIDES: Mapping[str, Sequence[Path]] = {
    "vies": [("valid",), ("countryCode",), ("vatNumber",)],
    "hmrc": [("target",), ("target", "vatNumber"), ("code",)],
    "gleif": [
        ("data",),
        ("data", "id"),
        ("data", "attributes", "entity", "status"),
        ("data", "attributes", "registration", "status"),
        ("data", 0, "id"),
        ("data", 0, "attributes", "entity", "status"),
        ("data", 0, "attributes", "registration", "status"),
        ("meta", "pagination", "total"),
        ("errors",),
        ("errors", 0, "status"),
    ],
    "companies_house": [("company_number",), ("company_status",), ("errors",)],
    "zerobounce": [
        *(("address",), ("status",), ("sub_status",), ("email_batch",)),
        *(("email_batch", 0, "address"), ("email_batch", 0, "status")),
        ("email_batch", 0, "sub_status"),
    ],
    "twilio_lookup": [("phone_number",), ("valid",), ("line_type_intelligence",), ("code",)],
    "google_address": [
        *(("result",), ("result", "verdict"), ("result", "address")),
        ("result", "verdict", "validationGranularity"),
        ("result", "verdict", "possibleNextAction"),
        ("result", "address", "addressComponents"),
        ("result", "address", "addressComponents", 0, "confirmationLevel"),
        ("result", "address", "addressComponents", 0, "componentType"),
        ("result", "address", "postalAddress"),
        ("result", "address", "postalAddress", "regionCode"),
    ],
    "dns_over_https": [
        *(("Status",), ("Question",), ("Question", 0, "name"), ("Question", 0, "type")),
        *(("Answer",), ("Answer", 0, "type")),
    ],
    "postcodes_io": [
        *(("status",), ("result",), ("result", "postcode"), ("result", "country")),
        *(("error",), ("terminated", "postcode"), ("terminated", "year_terminated")),
        *(("result", 1, "query"), ("result", 1, "result", "postcode")),
    ],
}
"""The fields that a reading hangs on, of all answers of a service."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)
CASES = [
    pytest.param(example, path, id=f"{example.service.NAME}-{at}-{'.'.join(map(str, path))}")
    for at, example in enumerate(EXAMPLES)
    for path in DECIDES[example.service.NAME]
    if (path[0] in example.body)
]


def found_in(example: Example, body: object) -> Mapping[str, Found]:
    """Return what an answer says; nothing when it is refused, as it must be: by our own error.

    Nor when it alone is not enough.
    """
    try:
        said = answer(body, example.status)
        return converse(example.service, example.values, said)[1]
    except (ProviderError, Unfinished):
        return {}


def changed(body: object, path: Path, change: object) -> tuple[object, bool]:
    """Return a copy of `body` with the place at `path` changed, and whether there was one.

    `change` is put there; without it (`...`) the place is removed.
    """
    copy = json.loads(json.dumps(body))
    place = copy
    try:
        for step in path[:-1]:
            place = place[step]
        old = place[path[-1]]
        del place[path[-1]]
    except (KeyError, IndexError, TypeError):
        return copy, False
    if change is ...:
        return copy, True
    if isinstance(place, list):
        cast("list[object]", place).insert(cast("int", path[-1]), change)
    else:
        place[path[-1]] = change
    return copy, old != change


def decided(found: Mapping[str, Found], before: Mapping[str, Found]) -> dict[str, Found]:
    """Return what was concluded and is not what the unharmed answer says."""
    return {
        value: says
        for value, says in found.items()
        if says.conclusion is not Conclusion.UNDECIDED and says != before[value]
    }


@pytest.mark.parametrize("example, path", CASES)
def test_a_missing_field_decides_nothing(example: Example, path: Path) -> None:
    body, was_there = changed(example.body, path, ...)
    if was_there:
        before = found_in(example, example.body)
        assert decided(found_in(example, body), before) == {}


@given(st.sampled_from(CASES), st.data())
def test_a_field_of_another_type_or_with_an_unknown_word_decides_nothing(
    case: object, data: st.DataObject
) -> None:
    example, path = cast("tuple[Example, Path]", getattr(case, "values", None))
    body, changes = changed(example.body, path, data.draw(JSON))
    if changes and not still_told(example.service, path, body):
        before = found_in(example, example.body)
        assert decided(found_in(example, body), before) == {}


def still_told(service: Service, path: Path, body: object) -> bool:
    """Return whether the contract has this answer too: another one, but a whole one."""
    place = body
    for step in path:
        place = place[step]  # pyright: ignore[reportIndexIssue, reportUnknownVariableType]
    match service.NAME, path[-1]:
        case "vies", "valid":
            return isinstance(place, bool)
        case "postcodes_io", "result":
            return False
        case "postcodes_io", "country" | "year_terminated":
            return isinstance(place, str | int)
        case "zerobounce", "sub_status":
            return isinstance(place, str) and any(place in subs for subs in REASONS.values())
        case _:
            return False


@given(st.sampled_from(EXAMPLES), st.floats(0, 1, exclude_max=True))
def test_a_cut_answer_decides_nothing(example: Example, share: float) -> None:
    raw = json.dumps(example.body).encode()
    assert found_in(example, raw[: int(len(raw) * share)]) == {}


@given(st.sampled_from(EXAMPLES), JSON)
def test_any_json_decides_nothing(example: Example, body: object) -> None:
    assert found_in(example, body) == {}


@given(st.sampled_from(EXAMPLES), st.binary(max_size=60))
def test_any_bytes_decide_nothing(example: Example, body: bytes) -> None:
    assert found_in(example, body) == {}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.service.NAME)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'{"a":NaN}',
        b"\xef\xbb\xbf{}",
        b'{"name":"K\xf6ln"}',
        b"[" * 100_000 + b"]" * 100_000,
        b'{"serial":' + b"9" * 5_000 + b"}",
    ],
    ids=["empty", "null", "nan", "bom", "latin-1", "deep", "long"],
)
def test_what_is_no_json_of_ours_decides_nothing(example: Example, body: bytes) -> None:
    assert found_in(example, body) == {}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.service.NAME)
def test_json_that_calls_itself_something_else_decides_nothing(example: Example) -> None:
    said = answer(example.body, example.status, content_type="text/html")
    with pytest.raises(ProviderError):
        converse(example.service, example.values, said)


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)), st.sets(st.integers(0, 11)))
def test_a_bulk_answer_may_come_in_any_order_doubled_and_with_gaps(
    order: Sequence[int], missing: set[int], doubled: set[int]
) -> None:
    values = [f"m{number}@b.example" for number in range(12)]
    states = ["valid", "invalid", "catch-all", "unknown"]
    items = [told.mailbox(value, states[at % 4]) for at, value in enumerate(values)]
    sent = [items[at] for at in order for _ in range(1 + (at in doubled)) if at not in missing]
    found = found_in(Example(zerobounce, tuple(values), {}), told.mailboxes(*sent))
    assert {
        value: zerobounce.CONCLUSIONS[states[at % 4]]
        for at, value in enumerate(values)
        if at not in missing
    } == {value: says.conclusion for value, says in found.items()}

"""Operations that nobody would write are answered: made from the schema, sent to a running gateway.

schemathesis makes them one by one; `make fuzz` has it make more, and GraphQLer chains of them
(`tests.promises.chained`).
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.graphql import nodes

from tests.promises.guarded import Guarded, bearer, guarded
from tests.promises.judged import ANSWER_S, judged
from tests.sandbox_process import RunningSandbox

EXAMPLES = int(os.environ.get("ASSAY_FUZZ_EXAMPLES", "16"))
"""Operations of each root field; `make fuzz` takes more."""
# Without a strategy of ours it only sends null for them.
SCALARS = {
    "Decimal": [
        *("0", "-0", "-1", "12.50", "0.0000001", "1000000000", "1000000000.000001", "1E+18"),
        *("1E-999999", "1E+999999", "NaN", "sNaN", "-Infinity", "1_0", "", "x"),
    ],
    "Duration": [
        *("PT0S", "PT0.0000001S", "P1W", "P30D", "P31D", "P100Y25D", "P999999999D", "PT1E5S"),
        *("P1000000000D", "PT999999999999999999999S", "-P1D", "P", "x", ""),
    ],
    "DateTime": [
        *("2030-01-01T00:00:00", "2030", "2030-W01", "2030-01-01T24:00:00Z", "x", ""),
        *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T24:00:00Z"),
        *("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.999999Z", "2030-02-30T00:00:00Z"),
    ],
}
for _name, _texts in SCALARS.items():
    schemathesis.graphql.scalar(_name, st.sampled_from(_texts).map(nodes.String))


@pytest.fixture
async def house(
    tmp_path: Path, valkey_url: str, sandbox: RunningSandbox
) -> AsyncGenerator[Guarded]:
    async with guarded(tmp_path, valkey_url, sandbox=sandbox) as found:
        yield found


def operations(url: str, headers: dict[str, str]) -> list[Any]:
    """Return what schemathesis makes operations of: each field of the queries and mutations."""
    schema: Any = schemathesis.graphql.from_url(url, headers=headers)
    found: list[Any] = [one.ok() for one in schema.get_all_operations() if isinstance(one, Ok)]
    assert len(found) >= 18, "every root field"
    return found


def fuzz(
    operation: Any,  # noqa: ANN401 - schemathesis's
    headers: dict[str, str],
    answered: Callable[[str, Any], None],
) -> None:
    """Send what is made of one root field; `answered` is told of each answer."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:  # noqa: ANN401 - schemathesis's
        answered(operation.label, case.call(headers=headers, timeout=ANSWER_S))

    ask()


def fuzz_all(url: str, headers: dict[str, str], answered: Callable[[str, Any], None]) -> None:
    """Do so with every root field."""
    for operation in operations(url, headers):
        fuzz(operation, headers, answered)


@pytest.mark.timeout(600)
async def test_whatever_the_schema_allows_has_an_answer(house: Guarded) -> None:
    seen: Counter[str] = Counter()
    data: set[str] = set()

    def answered(name: str, answer: Any) -> None:  # noqa: ANN401 - schemathesis's
        seen[name] += 1
        wrong, answered_with = judged(
            answer.status_code, answer.headers["content-type"][0], answer.content
        )
        assert not wrong, (name, wrong)
        if answered_with:
            data.add(name)

    headers = bearer(await house.key())
    await asyncio.to_thread(fuzz_all, house.url("/graphql"), headers, answered)
    assert min(seen.values()) >= min(EXAMPLES, 4), seen
    assert len(data) >= 12, "most of it is let in, and not refused at the door"

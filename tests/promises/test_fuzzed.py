"""Operations that nobody would write are answered: made from the schema, sent to a running gateway.

schemathesis makes them one by one; `make fuzz` has it make more, and GraphQLer chains of them
(`tests.promises.chained`).
"""

import asyncio
import os
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok

from tests.house.tree import ROOT
from tests.promises.guarded import Guarded, bearer, guarded
from tests.sandbox_process import RunningSandbox

EXAMPLES = int(os.environ.get("ASSAY_FUZZ_EXAMPLES", "8"))
"""Operations of each root field; `make fuzz` takes more."""
ANSWER_S = 20.0
CODES = set(
    re.findall(
        r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "errors.md").read_text("utf-8"), re.MULTILINE
    )
)


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
        assert answer.status_code in {200, 400}, (name, answer.status_code)
        told = orjson.loads(answer.content)
        codes = {error["extensions"]["code"] for error in told.get("errors", ())}
        assert codes <= CODES - {"INTERNAL"}, (name, codes)
        if told.get("data"):
            data.add(name)

    headers = bearer(await house.key())
    await asyncio.to_thread(fuzz_all, house.url("/graphql"), headers, answered)
    assert min(seen.values()) >= min(EXAMPLES, 4), seen
    assert len(data) >= 12, "most of it is let in, and not refused at the door"

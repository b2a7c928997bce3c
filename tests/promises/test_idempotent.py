"""A `validate` that is sent again with its key pays for nothing twice, whatever its maxAge."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from access.scope import scopes_of
from tests.promises.guarded import OURS, THEIRS, Guarded, guarded
from tests.sandbox_process import RunningSandbox
from tests.waiting import WAIT_S

pytestmark = pytest.mark.usefixtures("quick_door")

VALIDATE = """mutation ($records: [RecordInput!]!, $key: String, $maxAge: Duration) {
  validate(records: $records, options: { idempotencyKey: $key, maxAge: $maxAge }) {
    results { status }
    usage { callsMade }
  }
}"""
RECORDS = [{"email": f"user{at}@example.com"} for at in range(3)]


@pytest.fixture
async def house(
    tmp_path: Path, valkey_url: str, sandbox: RunningSandbox
) -> AsyncGenerator[Guarded]:
    free: list[str] = []
    unlimited = {"zerobounce": {"service": "zerobounce", "rates": free}}
    async with guarded(tmp_path, valkey_url, sandbox=sandbox, providers=unlimited) as found:
        yield found


class Caller:
    """Calls with one key of ours."""

    def __init__(self, house: Guarded, key: str) -> None:
        self._house = house
        self._key = key

    async def __call__(self, key: str | None, records: list[Any], max_age: str | None) -> Any:  # noqa: ANN401 - JSON
        """Return how many calls were made, or the code of the error."""
        variables = {"records": records, "key": key, "maxAge": max_age}
        _, told = await self._house.post(self._key, VALIDATE, variables)
        if "errors" in told:
            return told["errors"][0]["extensions"]["code"]
        return told["data"]["validate"]["usage"]["callsMade"]


async def caller(house: Guarded, tenant: str = OURS) -> Caller:
    return Caller(house, await house.key(tenant, scopes_of(["validate"])))


async def test_a_call_that_is_repeated_pays_once(house: Guarded) -> None:
    ask = await caller(house)
    assert await ask(None, RECORDS, "PT0S") > 0
    assert await ask(None, RECORDS, "PT0S") > 0, "without a key everything is asked anew"
    assert await ask("mine", RECORDS, "PT0S") > 0, "the first call with a key, too"
    for _ in range(2):
        assert await ask("mine", RECORDS, "PT0S") == 0
    assert await ask("another", RECORDS, "PT0S") > 0
    assert await ask("mine", RECORDS, "PT0S") == 0, "what was found later is no older"


async def test_what_was_not_found_is_asked_when_it_is_sent_again(
    house: Guarded, sandbox: RunningSandbox
) -> None:
    ask = await caller(house)
    await sandbox.fault("zerobounce", "status_500", count=20)
    await ask("mine", RECORDS, "PT0S")
    assert await sandbox.values_asked("zerobounce")
    await sandbox.reset()
    async with asyncio.timeout(WAIT_S):
        while len(await sandbox.values_asked("zerobounce")) < len(RECORDS):
            await ask("mine", RECORDS, "PT0S")  # its breaker may be open for a moment
            await asyncio.sleep(0.2)
    assert await ask("mine", RECORDS, "PT0S") == 0
    assert len(await sandbox.values_asked("zerobounce")) == len(RECORDS)


async def test_a_key_is_good_for_one_call_of_one_tenant(house: Guarded) -> None:
    ask, theirs = await caller(house), await caller(house, THEIRS)
    assert await ask("mine", RECORDS, None) > 0
    assert await ask("mine", RECORDS[:2], None) == "IDEMPOTENCY_KEY_USED"
    assert await ask("mine", RECORDS, "PT0S") == "IDEMPOTENCY_KEY_USED"
    assert await theirs("mine", RECORDS[:2], "PT0S") > 0, "another tenant's is another key"
    assert await ask("two words", RECORDS, None) == "BAD_OPTION"

"""Outcomes are shared between tenants, who are told nothing of each other; or not shared at all."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from batches.batch import NewBatch
from gateway.batch_bench import BatchBench
from tests.assay_process import living, sections
from tests.promises.guarded import OURS, THEIRS, Guarded, guarded
from tests.sandbox_process import RunningSandbox

ASK = """mutation { validate(records: [{email: "ada@example.com"}]) {
  results { status email { status source outcomes { check foundAt } } }
  usage { callsMade savedByCache savedByDedupe }
} }"""


@pytest.fixture(params=[False, True])
async def house(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    valkey_url: str,
    sandbox: RunningSandbox,
    quick_door: None,
) -> AsyncGenerator[tuple[Guarded, bool]]:
    del quick_door
    cache = {"isolated": request.param, "hash_key": "a key for tests, of 32 bytes...."}
    async with guarded(tmp_path, valkey_url, sandbox=sandbox, cache=cache) as found:
        yield found, request.param


async def asked(house: Guarded, key: str) -> Any:  # noqa: ANN401 - JSON
    return (await house.post(key, ASK))[1]["data"]["validate"]


async def test_what_one_tenant_asked_another_knows_or_asks_for_itself(
    house: tuple[Guarded, bool], sandbox: RunningSandbox
) -> None:
    here, isolated = house
    ours, theirs = await here.key(OURS), await here.key(THEIRS)
    first, second = await asked(here, ours), await asked(here, theirs)
    times = len(await sandbox.values_asked("zerobounce"))
    assert times == (2 if isolated else 1)
    assert second["usage"]["callsMade"] == (first["usage"]["callsMade"] if isolated else 0)
    assert second["results"][0]["email"]["source"] == ("PROVIDER" if isolated else "CACHE")
    again = await asked(here, theirs)
    assert again["usage"]["callsMade"] == 0
    assert again["results"][0]["email"]["source"] == "CACHE"
    assert len(await sandbox.values_asked("zerobounce")) == times


@pytest.mark.parametrize("isolated", [False, True])
async def test_batches_are_judged_for_their_tenant(
    sandbox: RunningSandbox, valkey_url: str, *, isolated: bool
) -> None:
    given = sections(sandbox, valkey_url)
    given = {**given, "cache": {**given["cache"], "isolated": isolated}}
    async with living(given) as assay:
        courts, declared = assay.assembly.courts, assay.assembly.declarations
        bench = BatchBench(courts.of, declared.kinds, assay.assembly.context.panels)
        assay.assembly.batches.start(working=False)
        store = await assay.assembly.batches.opened()
        found = {
            tenant: bench.court((await store.create(NewBatch(tenant=tenant))).batch)
            for tenant in (OURS, THEIRS)
        }
        assert (found[OURS].judge is found[THEIRS].judge) is not isolated
        for tenant, court in found.items():
            assert court.judge is courts.of(tenant).live.judge

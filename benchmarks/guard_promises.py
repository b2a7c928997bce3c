"""What is promised of who is let in and of what gets out; see `scoreboard`."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
from msgspec.structs import replace

from access.key import NewKey
from access.keys import Keys
from access.scope import EVERYTHING
from batches.batch import NewBatch
from batches.opening import open_store
from batches.settings import StoreSettings
from benchmarks.processes import assay, store
from benchmarks.promises import Kept, Promise
from gateway.doorkeeper import pepper_of
from gateway.settings import Settings
from schema.permissions import NEEDED
from tests.assay_process import HASH_KEY
from tests.canaries.house import deployed
from tests.canaries.journeys import everything
from tests.canaries.marks import Sort
from tests.canaries.sinks import leaks
from tests.promises import matrix
from tests.promises.guarded import OURS, THEIRS, WHO, Guarded

REVOKED = 4
"""Subscriptions of each way that a revoked key is to end."""
SENT_OUT_S_MAX = 5.0
SENT_OUT_WAIT_S = 20.0


async def _prepared(settings: Settings, file: Path) -> None:
    """Make a first key: with none this machine would be let in."""
    kept = await open_store(StoreSettings(), file)
    try:
        keys = Keys(kept.database, pepper_of(settings, HASH_KEY.encode()))
        await keys.create(NewKey(tenant=OURS, name="first", scopes=EVERYTHING), WHO)
    finally:
        await kept.close()


@asynccontextmanager
async def _door(settings: Settings, file: Path, port: int) -> AsyncGenerator[Guarded]:
    """Open the store of what runs at `port`, to make and revoke keys for it."""
    kept = await open_store(StoreSettings(), file)
    try:
        keys = Keys(kept.database, pepper_of(settings, HASH_KEY.encode()))
        async with aiohttp.ClientSession() as session:
            yield Guarded(port, session, kept, keys)
    finally:
        await kept.close()


async def _asked(settings: Settings, file: Path, port: int, rounds: int) -> Kept:
    async with _door(settings, file, port) as house:
        mine = (await house.store.create(NewBatch(tenant=OURS))).batch
        cases = [case async for case in matrix.asked_by_strangers(house, mine.id)]
        theirs, their_key = await matrix.started(house, THEIRS), await house.key(THEIRS)
        pairs = [pair async for pair in matrix.asked_for_anothers(house, theirs, their_key)]
        ways = [how for how in matrix.FOLLOWED for _ in range(rounds)]
        took = await asyncio.gather(
            *(matrix.sent_out_s(house, how, SENT_OUT_WAIT_S) for how in ways)
        )
        may = await matrix.ask(house, "post", their_key, "Query.kinds", "")
        untouched = await house.store.batch(THEIRS, theirs.id) == theirs
    let_in = sum(not case.is_refused for case in cases)
    shown = sum(not pair.is_same for pair in pairs)
    callers = len({case.caller for case in cases})
    slowest = {how: max(took[at] for at, one in enumerate(ways) if one == how) for how in ways}
    told = ", ".join(
        f"{name} {slowest[how]:.1f} s"
        for name, how in zip(("WebSocket", "SSE", "multipart"), matrix.FOLLOWED, strict=True)
    )
    return Kept(
        f"{len(NEEDED)} operations, {callers} sorts of callers, {len(matrix.TRANSPORTS)}"
        f" transports: {len(cases)} asked, {let_in} let in; another tenant's: {len(pairs)} asked,"
        f" {shown} told apart from none; of {len(ways)} subscriptions whose key is revoked the"
        f" last ends after: {told}",
        (let_in, shown) == (0, 0)
        and untouched
        and matrix.code_of(may) is None
        and (rounds == 1 or max(took) <= SENT_OUT_S_MAX),
    )


def authorisation(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Ask for everything as everybody.

    The quick form tells how soon what is followed ends, and judges that it does.
    """
    del seed
    with TemporaryDirectory(prefix="assay-") as name, store() as shared:
        file = Path(name) / "batches.db"
        given = {
            "gateway": {"data_dir": name, "log_level": "ERROR"},
            "access": {"open": False},
            "redis": {"url": shared.url},
            "cache": {"hash_key": HASH_KEY},
            "store": {"url": f"sqlite:///{file}"},
        }
        settings = Settings.model_validate(given)
        asyncio.run(_prepared(settings, file))
        with assay(given) as server:
            return asyncio.run(_asked(settings, file, server.port, 1 if quick else REVOKED))


async def _searched(seed: int, *, quick: bool) -> Kept:
    with TemporaryDirectory(prefix="assay-") as name:
        async with deployed(Path(name) / "house", seed) as house:
            await everything(house, quick=quick)
            house.note_valkey("data")
            await house.stopped()
            sinks = house.written()
            made = house.marks.made
    found = leaks(made, sinks)
    labels = [one for one in made if one.sort is Sort.LABEL]
    control = leaks(labels, [replace(sink, labels=False) for sink in sinks])
    for one in found:
        print(one)
    size = sum(len(sink.content) for sink in sinks)
    return Kept(
        f"{len(made)} marked values, {len(sinks)} sinks, {size / 1e6:.1f} MB: {len(found)} found;"
        f" the same search finds {len(control)} names where they may stand",
        not found and bool(control),
    )


def canaries(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Send marked values every way through what is deployed; the quick form kills nothing."""
    return asyncio.run(_searched(seed, quick=quick))


GUARD_PROMISES: Mapping[str, Promise] = {
    "R18 authorisation": Promise(
        "R18: nobody gets anything without a key that may; a revoked one ends what it follows"
        " within 5 s",
        authorisation,
    ),
    "R19 canaries": Promise(
        "R19: no value, key or secret in a log, an error, an argument, an environment or a file",
        canaries,
    ),
}

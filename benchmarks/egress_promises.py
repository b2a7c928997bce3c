"""What is promised of calls whose address a client names; see `scoreboard`."""

import asyncio
import logging
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct
from standardwebhooks import Webhook, WebhookVerificationError

from batches import webhooks
from batches.delivery import DeliveryState
from benchmarks.promises import Kept, Promise
from providers import egress
from providers.egress import Gate
from providers.errors import ProviderError
from providers.exchange import Call
from providers.priority import TENANT
from providers.transport import Transport
from tests.batches.ended import Row, started
from tests.batches.hooked import ROWS, SECRET, Told, World, told_over_a_kill, world_in
from tests.canaries.marks import Marks, Sort
from tests.canaries.sinks import Sink, leaks
from tests.providers.egress_corpus import CORPUS, NAMES, Said, aimed_at, canary
from verdicts.verdict import Status

URLS_MIN = 60
CALL_S = 0.5
HOOK = Call("POST", "", json={"type": "batch.completed"})
PUBLIC = "93.184.216.34"
REDIRECTS = (301, 302, 303, 307, 308)
DOCUMENTED_S = (5, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 28_800)
"""Between two attempts, as docs/webhooks.md says."""
PAUSE_SHARE_MAX = 0.10
KILLS, QUICK_KILLS = 5, 1
QUICK_PATIENCE_S = 0.3
"""With a receiver that does not answer; else what there is, 15 s."""


logging.getLogger("batches").addHandler(logging.NullHandler())  # each failure is told there


@contextmanager
def _set(module: object, name: str, value: object) -> Generator[None]:
    """Let a module have another constant until left."""
    before: object = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


async def _reached(transport: Transport, url: str) -> bool:
    """Return whether a call was answered."""
    try:
        await transport.send(url, HOOK, CALL_S)
    except (ProviderError, ValueError):
        return False
    return True


async def _called(port: int) -> tuple[int, int]:
    """Call every URL, and every name that leads here; return the calls and those answered."""
    answered: list[bool] = []
    with _set(egress, "PORTS", egress.PORTS | {port}):
        transport = Transport(Gate())
        try:
            answered += [await _reached(transport, url) for url in aimed_at(port)]
        finally:
            await transport.close()
        told = [*([one] for one in NAMES.values()), [[PUBLIC], ["127.0.0.1"], ["::1"]]]
        for answers in told:
            transport = Transport(Gate(), resolver=Said(port, answers))
            try:
                answered += [
                    await _reached(transport, f"https://named.example:{port}") for _ in answers
                ]
            finally:
                await transport.close()
    return len(answered), sum(answered)


async def _delivered(world: World, port: int) -> int:
    """Put every URL into the store, past what would refuse it, and deliver; return how many."""
    gate = Gate()
    transport = Transport(gate)
    strict = webhooks.Webhooks(world.store, transport, gate, webhooks.Signer(SECRET))
    told = 0
    try:
        with _set(egress, "PORTS", egress.PORTS | {port}):
            for url in CORPUS:
                await started(world.store, [_row(0)], webhook=url.replace("PORT", str(port)))
            while found := await world.store.due(webhooks.IN_FLIGHT_MAX, webhooks.LEASE_S):
                await asyncio.gather(*map(strict.deliver, found))
                told += len(found)
    finally:
        await transport.close()
    return told


async def _redirected(world: World, port: int) -> int:
    """Let a receiver, and a service, send us on to the listener; return how often."""
    service = Transport()
    world.receiver.headers = {"location": f"http://127.0.0.1:{port}/"}
    try:
        for status in REDIRECTS:
            world.receiver.status = status
            await started(world.store, [_row(status)], webhook=world.receiver.url)
            await world.attempt()
            with suppress(ProviderError):
                await service.send(world.receiver.url, HOOK, CALL_S)
    finally:
        await service.close()
    return len(world.receiver.told)


def _row(number: int) -> Row:
    return str(number), f"{number}@x.example", ""


async def _aimed(seed: int) -> Kept:
    with TemporaryDirectory(prefix="assay-") as name:
        async with canary() as heard, world_in(Path(name), seed) as world:
            calls, answered = await _called(heard.port)
            delivered = await _delivered(world, heard.port)
            redirects = await _redirected(world, heard.port)
            connections = len(heard.heard)
            allowed = Transport(Gate(local=True))
            try:
                await _reached(allowed, f"http://127.0.0.1:{heard.port}")
            finally:
                await allowed.close()
            control = len(heard.heard) - connections
    return Kept(
        f"{len(CORPUS)} URLs and {len(NAMES) + 1} names: {calls} calls, {delivered} deliveries,"
        f" {redirects} redirects: {connections} connections; one that is allowed: {control}",
        len(CORPUS) >= URLS_MIN
        and delivered == len(CORPUS)
        and redirects >= 2 * len(REDIRECTS)
        and (answered, connections, control) == (0, 0, 1),
    )


def aimed(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Name addresses that lead back here, in every way in which a client can."""
    del quick  # it takes a second
    return asyncio.run(_aimed(seed))


def _is_ours(one: Told) -> bool:
    try:
        Webhook(SECRET).verify(one.body, one.headers)
    except WebhookVerificationError:
        return False
    return True


async def _until_given_up(world: World, row: Row) -> list[float]:
    """Tell of one batch until that is given up, on the world's clock; return the pauses."""
    running = await started(world.store, [row], webhook=world.receiver.url)
    at: list[float] = []
    while True:
        if await world.attempt():
            at.append(world.clock.now.timestamp())
        (one,) = await world.store.deliveries(TENANT, running.batch.id)
        if one.due_at is None:
            assert one.state is DeliveryState.GIVEN_UP
            return [later - sooner for sooner, later in pairwise(at)]
        world.clock.now = one.due_at


async def _slow(world: World, row: Row, patience_s: float) -> tuple[float, bool]:
    """Tell somebody who does not answer; return the seconds, and whether it was told in the end."""
    world.receiver.status, world.receiver.hold = 204, asyncio.Event()
    running = await started(world.store, [row], webhook=world.receiver.url)
    began = time.monotonic()
    with _set(webhooks, "TIMEOUT_S", patience_s):
        await world.attempt()
    took_s = time.monotonic() - began
    world.receiver.hold.set()
    world.receiver.hold = None
    (one,) = await world.store.deliveries(TENANT, running.batch.id)
    assert one.due_at is not None, "it was not noted as told"
    world.clock.now = one.due_at
    await world.attempt()
    (one,) = await world.store.deliveries(TENANT, running.batch.id)
    return took_s, (one.state, one.attempts) == (DeliveryState.DELIVERED, 2)


class _Schedule(Struct):
    """What came of receivers that fail."""

    told: list[Told]
    pauses: list[float]
    failing: int
    redirecting: int
    gone: int
    slow_s: float
    caught_up: bool

    @property
    def off(self) -> float:
        """How far a pause was from what is documented, as a part of it, at most."""
        both = zip(self.pauses, DOCUMENTED_S, strict=True)
        return max(abs(pause - planned) / planned for pause, planned in both)


async def _scheduled(marks: Marks, seed: int, patience_s: float) -> _Schedule:
    def row() -> Row:
        found = marks.row()
        return found["ref"], found["E-Mail"], found["note"]

    with TemporaryDirectory(prefix="assay-") as name:
        async with world_in(Path(name), seed) as world:
            receiver = world.receiver
            counts: list[int] = []
            pauses: list[float] = []
            for status in (410, 307, 500):
                receiver.status, receiver.headers = status, {"location": receiver.url}
                before = len(receiver.told)
                pauses = await _until_given_up(world, row())
                counts.append(len(receiver.told) - before)
            slow_s, caught_up = await _slow(world, row(), patience_s)
            running = await started(world.store, [row()], webhook=receiver.url)
            await running.finish_all([Status.INVALID])
            await world.attempt()
            gone, redirecting, failing = counts
            return _Schedule(receiver.told, pauses, failing, redirecting, gone, slow_s, caught_up)


async def _told(seed: int, *, quick: bool) -> Kept:
    marks, pairs = Marks(seed), list[list[Told]]()
    patience_s = QUICK_PATIENCE_S if quick else webhooks.TIMEOUT_S
    found = await _scheduled(marks, seed, patience_s)
    for _ in range(QUICK_KILLS if quick else KILLS):
        with TemporaryDirectory(prefix="assay-") as name:
            pairs.append(await told_over_a_kill(Path(name)))
    told = [*found.told, *(one for pair in pairs for one in pair)]
    marks.noted("email of a kill", Sort.RECORD, ROWS[0][1])
    unbelieved = sum(not _is_ours(one) for one in told)
    ids = len({one.id for one in told})
    changed = len({(one.id, one.body) for one in told}) - ids
    sinks = [Sink("a webhook", repr(one.headers).encode() + one.body) for one in told]
    values = len(leaks(marks.made, sinks))
    twice = sum(len(pair) == 2 and len({one.id for one in pair}) == 1 for pair in pairs)
    whole = len(DOCUMENTED_S) + 1
    return Kept(
        f"{found.failing} attempts in {sum(found.pauses) / 3600:.1f} h, at most {found.off:.1%} off"
        f" the schedule; redirecting: {found.redirecting}, none followed; 410: {found.gone}; slow:"
        f" ended after {found.slow_s:.1f} s and told again; {len(pairs)} kills: {twice} told again"
        f" under one id; {len(told)} bodies of {ids} ids: {unbelieved} not believed by"
        f" standardwebhooks, {changed} changed, {values} values in them",
        (found.failing, found.redirecting, found.gone) == (whole, whole, 1)
        and found.off <= PAUSE_SHARE_MAX
        and found.caught_up
        and twice == len(pairs)
        and (unbelieved, changed, values) == (0, 0, 0),
    )


def told(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """Tell receivers that fail in every way; the quick form waits less, and kills once."""
    return asyncio.run(_told(seed, quick=quick))


EGRESS_PROMISES: Mapping[str, Promise] = {
    "R20 addresses": Promise(
        "R20: no address that a client names, and no redirect, leads back here: 0 connections",
        aimed,
    ),
    "R21 webhooks": Promise(
        "R21: a webhook is told at least once, under one id, signed, on schedule, without a value",
        told,
    ),
}

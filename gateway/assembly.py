"""The composition root: the one place that builds things and puts them together."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import Struct

from cache.first_use import FirstUses
from cache.forgetting import Forgetting
from checks.kinds import load
from gateway.batch_assembly import Batches
from gateway.batch_room import Followed
from gateway.courts import Builder, Courts, Pair
from gateway.declarations import Declarations, declarations_of
from gateway.doorkeeper import Doorkeeper
from gateway.hash_key import hash_key
from gateway.policies import policies_of
from gateway.private_valkey import private_valkey, running_instance
from gateway.rehearsals import Rehearsal, rehearsals_of
from gateway.sandbox import Sandbox, Told, running_sandbox, tell
from gateway.settings import ConfigurationError, Settings
from gateway.shown_url import shown_url
from gateway.valkey import StoreAway, Valkey
from providers.catalogue import SERVICES
from providers.daily import Daily
from providers.exchange import Service
from providers.panel import Panel
from providers.priority import TENANT
from questions.memory import Memory
from resolvers.context import Context, SandboxInput
from resolvers.selection import NeedsPlanner

if TYPE_CHECKING:
    from batches.work import Bench

START_PATIENCE_S = 2.0
"""With the store's first answer: at a start everything starts at once."""


class Assembly(Struct):
    """What one process works with, ready to be used."""

    settings: Settings
    declarations: Declarations
    valkey: Valkey
    context: Context
    batches: Batches
    doorkeeper: Doorkeeper
    forgetting: Forgetting
    memories: Sequence[Memory]
    courts: Courts


@asynccontextmanager
async def assembled(
    settings: Settings,
    services: Sequence[Service] = SERVICES,
    *,
    guest: bool = False,
    declarations: Declarations | None = None,
    local: bool | None = None,
) -> AsyncGenerator[Assembly]:
    """Build and open everything that `settings` asks for; close it when left.

    `services` are those that providers may speak. `declarations` are what `settings` declare,
    where that is known already. A `guest` may use the private Valkey of an Assay that runs in the
    same data directory: good for a command, but what serves must not lose its store when that other
    one stops. `local`: only this machine reaches what is served; else the settings say so.

    Raises:
        ConfigurationError: settings that contradict each other.
        PrivateValkeyError, SandboxError: a process of ours did not start.
        StoreAway: the configured Valkey does not answer.
    """
    declarations = declarations or await asyncio.to_thread(declarations_of, settings)
    policies = policies_of(settings, declarations.kinds)
    async with AsyncExitStack() as stack:
        loading = await stack.enter_async_context(_beside(load))
        valkey = await _valkey(settings, stack, guest=guest)
        rehearsals = await _rehearsals(settings, declarations)
        sandbox = await _sandbox(settings, stack, [one.told for one in rehearsals.values()])
        secret = await asyncio.to_thread(hash_key, settings)
        builder = Builder(settings, valkey, secret, stack, declarations, rehearsals)
        builder.start()
        courts = builder.courts(policies, sandbox, services)
        pair = courts.of(TENANT)
        stack.push_async_callback(builder.close)  # the last one is the first to be closed
        shown = sandbox_inputs(pair.live.panels.values(), rehearsals) if sandbox else ()
        context = _context(settings, declarations, policies, pair, builder.daily, shown)
        doorkeeper = Doorkeeper(settings, secret, valkey, builder.transport, local=local)
        stack.push_async_callback(doorkeeper.close)
        batches = _batches(declarations, context, courts, valkey, doorkeeper)
        stack.push_async_callback(batches.close)
        await loading
        room, busy = doorkeeper.room, doorkeeper.is_busy
        first = FirstUses(valkey, secret)
        context = replace(context, room=batches.room, key_room=room, busy=busy, first_uses=first)
        yield Assembly(
            settings=settings,
            declarations=declarations,
            valkey=valkey,
            context=context,
            batches=batches,
            doorkeeper=doorkeeper,
            forgetting=builder.forgetting,
            memories=builder.memories,
            courts=courts,
        )


def _context(
    settings: Settings,
    declarations: Declarations,
    policies: Mapping[str, Sequence[str]],
    pair: Pair,
    daily: Daily,
    shown: Sequence[SandboxInput],
) -> Context:
    """Return what operations work with, as far as it is there without batches."""
    kinds = [module.KIND for module in declarations.kinds]
    return Context(
        judge=pair.live.judge,
        needs=NeedsPlanner(kinds, policies),
        rehearsal=pair.rehearsal.judge if pair.rehearsal else None,
        kinds=kinds,
        panels=pair.live.panels,
        daily=daily,
        sandbox_inputs=shown,
        deadline_ms=settings.gateway.deadline_ms,
        records_max=settings.gateway.records_max,
        calls_max=settings.gateway.calls_max,
        currency=settings.gateway.currency,
    )


def _batches(
    declarations: Declarations,
    context: Context,
    courts: Courts,
    valkey: Valkey,
    doorkeeper: Doorkeeper,
) -> Batches:
    """Return what is to become of batches here; nothing of it is begun."""

    def bench() -> "Bench":
        # here, because what answers requests only starts sooner without what works
        from gateway.batch_bench import BatchBench  # noqa: PLC0415

        return BatchBench(courts.of, declarations.kinds, context.panels)

    followed = Followed(valkey, courts.sight)
    return Batches(doorkeeper.settings, declarations.kinds, bench, followed, doorkeeper.begin)


def sandbox_inputs(
    panels: Iterable[Panel], rehearsals: Mapping[str, Rehearsal]
) -> list[SandboxInput]:
    """Return the values that the stand-ins of those on `panels` know, for clients to read."""
    asked = {one.service_name for panel in panels for one in panel.providers}
    # here, because a gateway without a sandbox starts sooner without all the stand-ins
    from sandbox.inputs import SANDBOX_INPUTS  # noqa: PLC0415

    built_in = [
        SandboxInput(one.service, one.kind, one.value, one.meaning)
        for one in SANDBOX_INPUTS
        if one.service in asked
    ]
    return [*built_in, *(one for declared in rehearsals.values() for one in declared.inputs)]


@asynccontextmanager
async def _beside(work: Callable[[], None]) -> AsyncGenerator[asyncio.Task[None]]:
    """Do `work` in a thread while the processes start that we need, too; leaving waits for it."""
    task = asyncio.create_task(asyncio.to_thread(work))
    try:
        yield task
    finally:
        await asyncio.gather(task, return_exceptions=True)


async def _valkey(settings: Settings, stack: AsyncExitStack, *, guest: bool) -> Valkey:
    url = settings.redis.url
    data_dir = settings.gateway.data_dir
    if url is None and guest:
        url = await asyncio.to_thread(running_instance, data_dir)
    if url is None:
        url = await stack.enter_async_context(private_valkey(data_dir))
    try:
        valkey, patient = (
            Valkey(url, patience_s)
            for patience_s in (settings.redis.timeout_ms / 1000, START_PATIENCE_S)
        )
    except ValueError as error:
        raise ConfigurationError(f"redis.url: {error}") from None
    stack.push_async_callback(valkey.close)
    try:
        await patient.ping()
    except StoreAway as error:
        raise StoreAway(_away(settings, error)) from None
    finally:
        await patient.close()
    return valkey


def _away(settings: Settings, error: StoreAway) -> str:
    """Return the message for a Valkey that does not answer."""
    if settings.redis.url is None:
        return (
            f"The private Valkey in {settings.gateway.data_dir} does not answer ({error})."
            " `assay doctor` says more."
        )
    return (
        f"The Valkey at {shown_url(settings.redis.url)} does not answer ({error}). Start it, or"
        " put its address into redis.url (ASSAY_REDIS__URL); without one Assay runs a private"
        " Valkey. `assay doctor` says more."
    )


async def _rehearsals(settings: Settings, declarations: Declarations) -> Mapping[str, Rehearsal]:
    """Return how the sandbox stands in for declared providers, where there is one."""
    if not settings.gateway.sandbox:
        return {}
    return await asyncio.to_thread(rehearsals_of, settings, declarations)


async def _sandbox(settings: Settings, stack: AsyncExitStack, declared: Told) -> Sandbox | None:
    if not settings.gateway.sandbox:
        return None
    if settings.gateway.sandbox_url is not None and settings.gateway.sandbox_dns is not None:
        http, dns = str(settings.gateway.sandbox_url).rstrip("/"), settings.gateway.sandbox_dns
        sandbox = Sandbox(http, dns)
        await tell(sandbox, declared)
        return sandbox
    return await stack.enter_async_context(running_sandbox(declared))

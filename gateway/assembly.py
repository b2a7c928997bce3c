"""The composition root: the one place that builds things and puts them together."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import Struct

from cache.claims import Claims
from cache.forgetting import Forgetting
from cache.freshness import Freshness
from cache.keys import Keys
from cache.outcomes import WRITE, Apart, Outcomes
from cache.recent import Recent
from checks.kinds import load
from gateway.batch_assembly import Batches
from gateway.batch_room import Followed
from gateway.declarations import Declarations, declarations_of
from gateway.doorkeeper import Doorkeeper
from gateway.hash_key import hash_key
from gateway.policies import policies_of, waived_of
from gateway.private_valkey import private_valkey, running_instance
from gateway.provider_factory import Assignment, ProviderFactory
from gateway.rehearsals import Rehearsal, rehearsals_of
from gateway.sandbox import Sandbox, Told, running_sandbox, tell
from gateway.settings import CheckSettings, ConfigurationError, Settings
from gateway.shown_url import shown_url
from gateway.valkey import StoreAway, Valkey
from providers.breakers import Breakers
from providers.catalogue import SERVICES
from providers.daily import Daily
from providers.exchange import Service
from providers.fleet import Fleet
from providers.panel import Panel
from providers.provider import Provider
from providers.sending import State
from providers.transport import Transport
from questions.desk import Desk
from questions.foresight import Foresight
from questions.judging import Judge
from questions.memory import Memory
from resolvers.context import Context, SandboxInput
from resolvers.selection import NeedsPlanner
from verdicts.kind import Check, Kind

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


class Court(Struct):
    """A judge and the providers that it asks."""

    judge: Judge
    foresight: Foresight
    panels: Mapping[tuple[str, str], Panel]


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
        builder = _Builder(settings, valkey, secret, stack, declarations, rehearsals)
        factory = ProviderFactory(
            settings=settings,
            valkey=valkey,
            fleet=builder.fleet,
            daily=builder.daily,
            transport=builder.transport,
            breakers=builder.breakers,
            sandbox=sandbox,
            stack=stack,
            services=services,
            declared=declarations.services,
            rehearsals=rehearsals,
        )
        builder.start()
        live = builder.court(policies, factory.providers(rehearsal=False))
        rehearsal = None
        if sandbox is not None:
            rehearsal = builder.court(policies, factory.providers(rehearsal=True))
        stack.push_async_callback(builder.close)  # the last one is the first to be closed
        shown = sandbox_inputs(live.panels.values(), rehearsals) if sandbox else ()
        context = _context(settings, declarations, policies, live, rehearsal, builder.daily, shown)
        doorkeeper = Doorkeeper(settings, secret, valkey, builder.transport, local=local)
        stack.push_async_callback(doorkeeper.close)
        followed = Followed(valkey, lambda batch: (live, rehearsal or live)[batch.sandbox])
        batches = _batches(declarations, context, followed, live.foresight, doorkeeper)
        stack.push_async_callback(batches.close)
        await loading
        room, busy = doorkeeper.room, doorkeeper.is_busy
        context = replace(context, room=batches.room, key_room=room, busy=busy)
        forget, known = builder.forgetting, builder.memories
        yield Assembly(settings, declarations, valkey, context, batches, doorkeeper, forget, known)


class _Builder:
    """Builds what judges; whatever it opens, `stack` closes."""

    def __init__(
        self,
        settings: Settings,
        valkey: Valkey,
        secret: bytes,
        stack: AsyncExitStack,
        declarations: Declarations,
        rehearsals: Mapping[str, Rehearsal],
    ) -> None:
        self._settings = settings
        self._rehearsals = rehearsals
        self._declarations = declarations
        self._secret = secret
        self._stack = stack
        apart = cache = None
        if settings.redis.cache_url is not None:
            cache = Valkey(settings.redis.cache_url, settings.redis.timeout_ms / 1000)
            stack.push_async_callback(cache.close)
            apart = Apart(cache.client, cache.script(WRITE))
        self.transport = Transport()
        stack.push_async_callback(self.transport.close)
        self.breakers = Breakers(valkey)
        stack.push_async_callback(self.breakers.close)
        self.claims = Claims(valkey)
        stack.push_async_callback(self.claims.close)
        self.forgetting = Forgetting(valkey, cache)
        stack.push_async_callback(self.forgetting.close)
        self._outcomes = Outcomes(self.claims, apart, settings.cache.seal)
        self.fleet = Fleet(valkey)
        stack.push_async_callback(self.fleet.close)
        self.daily = Daily(valkey, self.fleet.name)
        stack.push_async_callback(self.daily.close)
        self._desks: list[Desk] = []
        self.memories: list[Memory] = []

    def start(self) -> None:
        """Begin to tell other processes, and to hear of them; needs a running loop."""
        self.fleet.start()
        self.claims.start()
        self.breakers.start()
        self.daily.start()
        self.forgetting.start(self._drop)

    def _drop(self) -> None:
        for memory in self.memories:
            memory.drop()

    async def close(self) -> None:
        """Close all desks side by side: none sends on while another one hears out."""
        await asyncio.gather(*(desk.close() for desk in self._desks))

    def court(
        self, policies: Mapping[str, Sequence[str]], providers: Mapping[str, Assignment]
    ) -> Court:
        """Return a judge who asks `providers`."""
        panels: dict[tuple[str, str], Panel] = {}
        desks: dict[tuple[str, str], Desk] = {}
        for module in self._declarations.kinds:
            kind = module.KIND
            for check in kind.asked:
                panel = self._panel(kind, check, providers)
                panels[kind.name, check.name] = panel
                desks[kind.name, check.name] = self._desk(kind, check, panel)
        self._desks += desks.values()
        kinds = self._declarations.kinds
        waived = waived_of(self._settings, kinds)
        judge = Judge(kinds, desks, policies, waived)
        self.memories.append(Memory(kinds, desks, judge))
        return Court(judge, Foresight(kinds, desks, policies), panels)

    def _panel(self, kind: Kind, check: Check, providers: Mapping[str, Assignment]) -> Panel:
        settings = self._check_settings(kind, check)
        configured = settings.providers
        if configured is None:
            chosen = [
                one.provider
                for one in providers.values()
                if (one.kind, one.check) == (kind.name, check.name)
            ]
        else:
            chosen = [_chosen(kind, check, name, providers) for name in configured]
        bulk = max((one.values_per_call for one in chosen), default=1)
        return Panel(check.name, chosen, bulk, settings.strategy)

    def _desk(self, kind: Kind, check: Check, panel: Panel) -> Desk:
        # What a stand-in made up is never taken for a real outcome, nor a real one for made up:
        # outcomes are kept apart by who of those that answer is a stand-in.
        inventors = sorted(
            one.name + (self._rehearsals[one.name].mark if one.name in self._rehearsals else "")
            for one in panel.providers
            if one.state is State.SANDBOX
        )
        apart = f"@sandbox:{','.join(inventors)}" if inventors else ""
        mark = self._declarations.marks.get((kind.name, check.name))
        read = "" if mark is None else f"@read:{mark}"
        keys = Keys(self._secret, kind.name, check.name + read + apart)
        return Desk(
            check=check.name,
            panel=panel,
            recent=Recent(),
            outcomes=self._outcomes,
            claims=self.claims,
            keys=keys,
            freshness=Freshness(self._check_settings(kind, check).ttl or self._settings.cache.ttl),
            stop_s=self._settings.gateway.stop_s,
        )

    def _check_settings(self, kind: Kind, check: Check) -> CheckSettings:
        return self._settings.checks.get(kind.name, {}).get(check.name, CheckSettings())


def _context(
    settings: Settings,
    declarations: Declarations,
    policies: Mapping[str, Sequence[str]],
    live: Court,
    rehearsal: Court | None,
    daily: Daily,
    shown: Sequence[SandboxInput],
) -> Context:
    """Return what operations work with, as far as it is there without batches."""
    kinds = [module.KIND for module in declarations.kinds]
    return Context(
        judge=live.judge,
        needs=NeedsPlanner(kinds, policies),
        rehearsal=rehearsal.judge if rehearsal else None,
        kinds=kinds,
        panels=live.panels,
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
    followed: Followed,
    foresight: Foresight,
    doorkeeper: Doorkeeper,
) -> Batches:
    """Return what is to become of batches here; nothing of it is begun."""

    def bench() -> "Bench":
        # here, because what answers requests only starts sooner without what works
        from gateway.batch_bench import BatchBench  # noqa: PLC0415

        return BatchBench(
            context.judge,
            context.rehearsal,
            declarations.kinds,
            context.panels,
            foresight,
        )

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


def _chosen(kind: Kind, check: Check, name: str, providers: Mapping[str, Assignment]) -> Provider:
    where = f"checks.{kind.name}.{check.name}.providers"
    found = providers.get(name)
    if found is None:
        raise ConfigurationError(f"{where}: no provider {name!r}; there are {', '.join(providers)}")
    if (found.kind, found.check) != (kind.name, check.name):
        raise ConfigurationError(
            f"{where}: {name!r} answers {found.kind}.{found.check}, not this check"
        )
    return found.provider


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

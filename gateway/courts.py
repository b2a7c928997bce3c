"""Who judges, and what they work with: one court for all tenants, or one for each."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from msgspec import Struct

from batches.batch import Batch
from cache.claims import Claims
from cache.forgetting import Forgetting
from cache.freshness import Freshness
from cache.keys import Keys
from cache.outcomes import WRITE, Apart, Outcomes
from cache.recent import Recent
from gateway.declarations import Declarations
from gateway.policies import waived_of
from gateway.provider_factory import Assignment, ProviderFactory
from gateway.rehearsals import Rehearsal
from gateway.sandbox import Sandbox
from gateway.settings import CheckSettings, ConfigurationError, Settings
from gateway.valkey import Valkey
from providers.breakers import Breakers
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
from verdicts.kind import Check, Kind


class Court(Struct):
    """A judge and the providers that it asks."""

    judge: Judge
    foresight: Foresight
    memory: Memory
    panels: Mapping[tuple[str, str], Panel]


class Pair(Struct, frozen=True):
    """The court of a tenant, and that which asks stand-ins alone; None where no sandbox runs."""

    live: Court
    rehearsal: Court | None


class Courts:
    """The courts of this process."""

    def __init__(self, made: Callable[[str | None], Pair], *, isolated: bool) -> None:
        """Have `made` make a pair for a tenant; if not `isolated`, one for all (None)."""
        self._made = made
        self._isolated = isolated
        self._pairs: dict[str | None, Pair] = {}

    def of(self, tenant: str) -> Pair:
        """Return who judges for `tenant`; tenants that are isolated share no outcome."""
        whose = tenant if self._isolated else None
        pair = self._pairs.get(whose)
        if pair is None:
            pair = self._pairs[whose] = self._made(whose)
        return pair

    def sight(self, batch: Batch) -> Court:
        """Return who would be asked about `batch`."""
        pair = self.of(batch.tenant)
        return pair.rehearsal or pair.live if batch.sandbox else pair.live


class Builder:
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
        self._valkey = valkey
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
        self._outcomes.drop()

    async def close(self) -> None:
        """Close all desks side by side: none sends on while another one hears out."""
        await asyncio.gather(*(desk.close() for desk in self._desks))

    def courts(
        self,
        policies: Mapping[str, Sequence[str]],
        sandbox: Sandbox | None,
        services: Sequence[Service],
    ) -> Courts:
        """Return those who judge by `policies`; they ask `services`, or stand-ins of `sandbox`."""
        factory = ProviderFactory(
            settings=self._settings,
            valkey=self._valkey,
            fleet=self.fleet,
            daily=self.daily,
            transport=self.transport,
            breakers=self.breakers,
            sandbox=sandbox,
            stack=self._stack,
            services=services,
            declared=self._declarations.services,
            rehearsals=self._rehearsals,
        )
        real = factory.providers(rehearsal=False)
        stand_ins = None if sandbox is None else factory.providers(rehearsal=True)

        def made(tenant: str | None) -> Pair:
            live = self.court(policies, real, tenant)
            if stand_ins is None:
                return Pair(live, None)
            return Pair(live, self.court(policies, stand_ins, tenant))

        return Courts(made, isolated=self._settings.cache.isolated)

    def court(
        self,
        policies: Mapping[str, Sequence[str]],
        providers: Mapping[str, Assignment],
        tenant: str | None,
    ) -> Court:
        """Return a judge who asks `providers`; what it knows is for `tenant` alone, if given."""
        panels: dict[tuple[str, str], Panel] = {}
        desks: dict[tuple[str, str], Desk] = {}
        for module in self._declarations.kinds:
            kind = module.KIND
            for check in kind.asked:
                panel = self._panel(kind, check, providers)
                panels[kind.name, check.name] = panel
                desks[kind.name, check.name] = self._desk(kind, check, panel, tenant)
        self._desks += desks.values()
        kinds = self._declarations.kinds
        waived = waived_of(self._settings, kinds)
        judge = Judge(kinds, desks, policies, waived)
        memory = Memory(kinds, desks, judge)
        self.memories.append(memory)
        return Court(judge, Foresight(kinds, desks, policies), memory, panels)

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

    def _desk(self, kind: Kind, check: Check, panel: Panel, tenant: str | None) -> Desk:
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
        whose = "" if tenant is None else f"@tenant:{tenant}"
        keys = Keys(self._secret, kind.name, check.name + read + apart + whose)
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

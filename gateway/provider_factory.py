"""Builds the providers that the settings describe: real, sandbox, or not configured."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from random import SystemRandom

from msgspec import Struct
from msgspec.structs import replace

from gateway.rehearsals import Rehearsal
from gateway.sandbox import SECRET, Sandbox
from gateway.settings import ConfigurationError, Settings
from gateway.valkey import Valkey
from providers.breakers import Breakers
from providers.catalogue import SERVICES
from providers.daily import Daily
from providers.dns import MailDomains
from providers.exchange import Account, Defaults, Service
from providers.fleet import Fleet
from providers.permit import Bounds
from providers.permits import Permits
from providers.provider import Provider, ServiceProvider
from providers.rates import Rate, rate_of
from providers.sending import ServiceTerms, State
from providers.settings import ProviderSettings
from providers.transport import Transport

SECRET_NAMES = ("api_key", "api_secret", "client_id", "client_secret")


class Assignment(Struct, frozen=True):
    """A provider, and the kind and check that it is there for."""

    kind: str
    check: str
    provider: Provider


class ProviderFactory:
    """Builds providers; whatever it builds, `stack` closes."""

    def __init__(  # noqa: PLR0913 - the composition root hands in each part by name
        self,
        *,
        settings: Settings,
        valkey: Valkey,
        fleet: Fleet,
        daily: Daily,
        transport: Transport,
        breakers: Breakers,
        sandbox: Sandbox | None,
        stack: AsyncExitStack,
        services: Sequence[Service] = SERVICES,
        declared: Mapping[str, Service] | None = None,
        rehearsals: Mapping[str, Rehearsal] | None = None,
    ) -> None:
        """Build from `settings`: permits in `valkey`, calls over `transport` past `breakers`.

        `fleet` are the processes that share the permits, `daily` counts what each account does,
        `declared` the services of providers that `settings` declare, by the provider's name,
        `rehearsals` how the sandbox stands in for them.
        """
        self._settings = settings
        self._services = services
        self._declared = declared or {}
        self._rehearsals = rehearsals or {}
        self._sandbox = sandbox
        self._valkey = valkey
        self._transport = transport
        self._breakers = breakers
        self._stack = stack
        self._fleet = fleet
        self._daily = daily
        self._random: Callable[[], float] = SystemRandom().random

    def providers(self, *, rehearsal: bool) -> dict[str, Assignment]:
        """Return every provider by name; in a `rehearsal` each is the sandbox's stand-in.

        Those that are asked only where they are named are built only when they are.

        Raises:
            ConfigurationError: a provider of a service that there is not.
        """
        providers: dict[str, Assignment] = {}
        services = {service.NAME: service for service in self._services}
        settings = {name: ProviderSettings() for name in services}
        settings.update(self._settings.providers)
        for name, one in settings.items():
            service = self._declared.get(name) or services.get(one.service or name)
            if service is None:
                known = ", ".join(sorted(services))
                raise ConfigurationError(
                    f"providers.{name}: no service {one.service or name!r}; there are {known}"
                )
            if not (service.DEFAULTS.asked_unnamed or name in self._settings.named_providers):
                continue
            provider = self._provider(name, service, one, rehearsal=rehearsal)
            self._stack.push_async_callback(provider.close)
            providers[name] = Assignment(service.KIND, service.CHECK, provider)
        domains = self._mail_domains(rehearsal=rehearsal)
        providers[domains.name] = Assignment("email", "domain", domains)
        return providers

    def _mail_domains(self, *, rehearsal: bool) -> MailDomains:
        nameservers = self._settings.gateway.nameservers
        state = State.READY
        if self._sandbox is not None and (rehearsal or not nameservers):
            nameservers, state = (self._sandbox.dns,), State.SANDBOX
        try:
            domains = MailDomains(
                nameservers=nameservers,
                timeout_s=self._settings.dns.timeout,
                concurrency=self._settings.dns.concurrency,
                state=state,
            )
        except ValueError as error:
            raise ConfigurationError(f"gateway.{error}") from None
        self._stack.push_async_callback(domains.close)
        apart = "@sandbox" if state is State.SANDBOX else ""
        self._daily.count(domains.name + apart, domains.statistics)
        return domains

    def _provider(
        self, name: str, service: Service, one: ProviderSettings, *, rehearsal: bool
    ) -> ServiceProvider:
        defaults = service.DEFAULTS
        secrets = secrets_of(one)
        state = self._state(name, service, one, rehearsal=rehearsal)
        account = name
        base_url, bulk_base_url = _addresses(one, defaults)
        if self._sandbox is not None and state is State.SANDBOX:
            account = f"{name}@sandbox"
            paths = defaults.sandbox_path, defaults.bulk_sandbox_path or defaults.sandbox_path
            rehearsed = self._rehearsals.get(name)
            if rehearsed is not None:
                service, paths = rehearsed.service, (rehearsed.path, rehearsed.path)
                one = one.model_copy(update={"bulk": 1})  # it knows what is said of one value
            base_url, bulk_base_url = (self._sandbox.http + path for path in paths)
            secrets = dict.fromkeys(service.SECRETS, SECRET)
        permits, bulk_permits = self._permits(account, one, defaults)
        provider = ServiceProvider(
            name=name,
            service=service,
            terms=ServiceTerms(
                base_url=base_url.rstrip("/"),
                bulk_base_url=bulk_base_url.rstrip("/"),
                concurrency=one.concurrency or defaults.concurrency,
                timeout_s=one.timeout or defaults.timeout_s,
                attempts=one.attempts,
                bulk=one.bulk or defaults.bulk,
                bulk_bytes=one.bulk_bytes or defaults.bulk_bytes,
                bulk_from=one.bulk_from or defaults.bulk_from,
                price=one.price if one.price is not None else Decimal(defaults.price),
                state=state,
            ),
            account=Account(account, secrets, one.requester),
            permits=permits,
            bulk_permits=bulk_permits,
            breakers=self._breakers,
            transport=self._transport,
            random=self._random,
        )
        self._daily.count(account, provider.statistics)
        return provider

    def _state(
        self, name: str, service: Service, one: ProviderSettings, *, rehearsal: bool
    ) -> State:
        """Return whether a provider can be asked, and whether its stand-in is."""
        secrets = secrets_of(one)
        declared = name in self._declared
        stands_in = self._sandbox is not None and (not declared or name in self._rehearsals)
        if stands_in and (rehearsal or not (secrets or (one.base_url and not declared))):
            return State.SANDBOX
        if declared and rehearsal:  # no stand-in speaks for it: a rehearsal asks nobody
            return State.NOT_CONFIGURED
        complete = all(key in secrets for key in service.SECRETS)
        return State.READY if complete else State.NOT_CONFIGURED

    def _permits(
        self, account: str, one: ProviderSettings, defaults: Defaults
    ) -> tuple[Permits, Permits]:
        """Return the permits of `account`, and those of its bulk calls: the same if counted so."""
        bounds = Bounds(
            rates=_rates(one.rates, defaults.rates),
            concurrency=one.concurrency or defaults.concurrency,
            timeout_s=one.timeout or defaults.timeout_s,
            horizon_s=one.batch_horizon_ms / 1000,
        )
        permits = Permits(self._valkey, self._fleet, account, bounds)
        if one.bulk_rates is None and defaults.bulk_rates is None:
            return permits, permits
        bulk = replace(bounds, rates=_rates(one.bulk_rates, defaults.bulk_rates or ()))
        return permits, Permits(self._valkey, self._fleet, account, bulk, lane="bulk")


def secrets_of(one: ProviderSettings) -> dict[str, str]:
    """Return the credentials of a provider that are configured."""
    return {
        key: secret.get_secret_value()
        for key in SECRET_NAMES
        if (secret := getattr(one, key)) is not None
    }


def _addresses(one: ProviderSettings, defaults: Defaults) -> tuple[str, str]:
    """Return where single and bulk calls go; an address that is configured is that of both."""
    base_url = str(one.base_url or defaults.base_url)
    return base_url, str(one.bulk_base_url or one.base_url or defaults.bulk_base_url or base_url)


def _rates(configured: tuple[Rate, ...] | None, published: tuple[str, ...]) -> tuple[Rate, ...]:
    return configured if configured is not None else tuple(map(rate_of, published))

"""Real parts for the way out: a sandbox, a Valkey, a transport and providers made of them."""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack
from decimal import Decimal

import aiohttp
import pytest
from msgspec.structs import replace

from gateway.valkey import Valkey
from providers.breakers import Breakers
from providers.exchange import Account, Service
from providers.fleet import Fleet
from providers.permit import Bounds
from providers.permits import Permits
from providers.provider import ServiceProvider
from providers.rates import rate_of
from providers.sending import ServiceTerms, State
from providers.transport import Transport
from tests.sandbox_process import RunningSandbox, started_sandbox

Outfit = Callable[..., ServiceProvider]
STORE_TIMEOUT_S = 2.0


@pytest.fixture(scope="session")
def sandbox_process() -> Generator[tuple[str, str, int]]:
    """One process for all tests of a worker; each test resets it."""
    with started_sandbox() as where:
        yield where


@pytest.fixture
async def sandbox(sandbox_process: tuple[str, str, int]) -> AsyncGenerator[RunningSandbox]:
    http, dns, pid = sandbox_process
    async with aiohttp.ClientSession() as session:
        running = RunningSandbox(http, dns, pid, session)
        await running.reset()
        yield running


@pytest.fixture
async def valkey(valkey_url: str) -> AsyncGenerator[Valkey]:
    shared = Valkey(valkey_url, STORE_TIMEOUT_S)
    yield shared
    await shared.close()


@pytest.fixture
async def outfit(sandbox: RunningSandbox, valkey: Valkey) -> AsyncGenerator[Outfit]:
    """Make providers that ask the sandbox, without limits of their own unless told."""
    async with AsyncExitStack() as stack:
        transport = Transport()
        stack.push_async_callback(transport.close)
        breakers = Breakers(valkey)
        stack.push_async_callback(breakers.close)

        def make(
            service: Service,
            *,
            name: str | None = None,
            told: Breakers = breakers,
            rates: tuple[str, ...] = (),
            bulk_rates: tuple[str, ...] | None = None,
            random: Callable[[], float] = lambda: 0.0,
            **terms: object,
        ) -> ServiceProvider:
            defaults = service.DEFAULTS
            usual = ServiceTerms(
                base_url=sandbox.http + defaults.sandbox_path,
                bulk_base_url=sandbox.http + (defaults.bulk_sandbox_path or defaults.sandbox_path),
                concurrency=defaults.concurrency,
                timeout_s=10.0,
                attempts=1,
                bulk=defaults.bulk,
                bulk_bytes=defaults.bulk_bytes,
                bulk_from=defaults.bulk_from,
                price=Decimal("0.01"),
                state=State.SANDBOX,
            )
            account = name or service.NAME
            usual = replace(usual, **terms)
            fleet = Fleet(valkey)
            bounds = Bounds(tuple(map(rate_of, rates)), usual.concurrency, usual.timeout_s)
            permits = bulk_permits = Permits(valkey, fleet, account, bounds)
            if bulk_rates is not None:
                apart = replace(bounds, rates=tuple(map(rate_of, bulk_rates)))
                bulk_permits = Permits(valkey, fleet, account, apart, lane="bulk")
            provider = ServiceProvider(
                name=account,
                service=service,
                terms=usual,
                account=Account(account, dict.fromkeys(service.SECRETS, "sandbox")),
                permits=permits,
                bulk_permits=bulk_permits,
                breakers=told,
                transport=transport,
                random=random,
            )
            stack.push_async_callback(provider.close)
            return provider

        yield make

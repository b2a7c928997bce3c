"""What `assay doctor` asks others: Valkey, the nameservers, each provider."""

import asyncio
import ssl
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from typing import Any, cast
from urllib.parse import urlsplit

from gateway.cli.errors import CommandError
from gateway.cli.findings import Finding, fail, ok, warn
from gateway.cli.machine_probes import CLOCK_APART_MAX_S
from gateway.cli.opening import command_errors
from gateway.declarations import declarations_of
from gateway.hash_key import hash_key
from gateway.private_valkey import private_valkey, running_instance
from gateway.provider_factory import ProviderFactory
from gateway.rehearsals import Rehearsal, rehearsals_of
from gateway.sandbox import Sandbox, running_sandbox
from gateway.settings import Settings
from gateway.shown_url import shown_url
from gateway.valkey import StoreAway, Valkey
from providers.breakers import Breakers
from providers.daily import Daily
from providers.errand import Bill
from providers.fleet import Fleet
from providers.priority import Asker
from providers.provider import Provider, ServiceProvider
from providers.sending import State
from providers.transport import Transport
from verdicts.outcome import Conclusion, Found

CONNECT_WAIT_S = 3.0
LOOKUP_WAIT_S = 10.0
LOOKED_UP = "example.com"
VERSION_MIN = (7, 0)
SYSTEMS = "the system's"
UNREACHED = "redis://127.0.0.1:1"


async def store_findings(settings: Settings) -> AsyncGenerator[Finding]:
    """Look at the shared store, and at the one for outcomes if that is another."""
    async with AsyncExitStack() as stack:
        try:
            with command_errors():
                url, whose = await _store(settings, stack)
                hash_key(settings)
        except CommandError as error:
            yield fail("Valkey", str(error), "see the message")
            return
        shared = settings.redis.cache_url is None
        async for finding in _server("Valkey", url, whose, settings, durable=True, shared=shared):
            yield finding
        if settings.redis.cache_url is not None:
            async for finding in _server(
                "Valkey (outcomes)", settings.redis.cache_url, "", settings, durable=False
            ):
                yield finding


async def _store(settings: Settings, stack: AsyncExitStack) -> tuple[str, str]:
    if settings.redis.url is not None:
        return settings.redis.url, ""
    running = running_instance(settings.gateway.data_dir)
    if running is not None:
        return running, "private, of the Assay that runs"
    url = await stack.enter_async_context(private_valkey(settings.gateway.data_dir))
    return url, "private, started to look at it"


async def _server(
    subject: str,
    url: str,
    whose: str,
    settings: Settings,
    *,
    durable: bool,
    shared: bool = False,
) -> AsyncGenerator[Finding]:
    where = whose or shown_url(url)
    try:
        valkey = Valkey(url, settings.redis.timeout_ms / 1000)
    except ValueError as error:
        yield fail(subject, f"{where}: {error}", "write redis://HOST:PORT/0 or unix:///path")
        return
    try:
        info = cast("Mapping[str, Any]", await valkey.run("INFO"))
        clock = cast("tuple[int, int]", await valkey.run("TIME"))
    except StoreAway as error:
        yield fail(
            subject,
            f"{where} does not answer ({error})",
            "start it, or set redis.url (ASSAY_REDIS__URL); without one Assay runs its own",
        )
        return
    else:
        yield _version(subject, where, info)
        apart_s = abs(clock[0] + clock[1] / 1e6 - time.time())
        if apart_s > CLOCK_APART_MAX_S:
            yield warn(subject, f"its clock is {apart_s:.0f} s off ours", "let NTP set both clocks")
        if durable:
            yield _eviction(subject, info, shared=shared)
            yield _persistence(subject, info)
    finally:
        await valkey.close()


def _version(subject: str, where: str, info: Mapping[str, Any]) -> Finding:
    name = str(info.get("server_name", "redis"))
    version = str(info.get("valkey_version") or info.get("redis_version", "0"))
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if parts < VERSION_MIN:
        return fail(
            subject, f"{where}: {name} {version} is too old", "run Valkey or Redis 7 or newer"
        )
    return ok(subject, f"{where}: {name} {version} answers")


def _eviction(subject: str, info: Mapping[str, Any], *, shared: bool) -> Finding:
    policy = str(info.get("maxmemory_policy", "unknown"))
    bounded = int(info.get("maxmemory", 0)) > 0
    if policy != "noeviction":
        level = fail if bounded else warn
        return level(
            subject,
            f"it may evict ({policy}): limits and claims would be lost",
            "set maxmemory-policy noeviction"
            + ("; let a second server evict outcomes: redis.cache_url" if shared else ""),
        )
    return ok(subject, "never evicts (noeviction)")


def _persistence(subject: str, info: Mapping[str, Any]) -> Finding:
    if int(info.get("aof_enabled", 0)):
        return ok(subject, "keeps an append-only file")
    return warn(
        subject,
        "keeps no append-only file: a restart forgets limits used and outcomes paid for",
        "set appendonly yes",
    )


async def provider_findings(settings: Settings) -> AsyncGenerator[Finding]:
    """Look a domain up as the gateway does, then connect to every provider."""
    async with AsyncExitStack() as stack:
        sandbox: Sandbox | None = None
        rehearsals: Mapping[str, Rehearsal] = {}
        if settings.gateway.sandbox:
            try:
                with command_errors():
                    rehearsals = rehearsals_of(settings, declarations_of(settings))
                    told = [one.told for one in rehearsals.values()]
                    sandbox = await stack.enter_async_context(running_sandbox(told))
            except CommandError as error:
                yield fail("sandbox", str(error), "see the message")
                return
            yield ok("sandbox", f"starts and answers at {sandbox.http}")
        transport = Transport()
        stack.push_async_callback(transport.close)
        valkey = Valkey(UNREACHED, CONNECT_WAIT_S)  # looking needs no permit
        stack.push_async_callback(valkey.close)
        try:
            with command_errors():
                declared = declarations_of(settings).services
                fleet = Fleet(valkey)
                factory = ProviderFactory(
                    settings=settings,
                    valkey=valkey,
                    fleet=fleet,
                    daily=Daily(valkey, fleet.name),
                    transport=transport,
                    breakers=Breakers(valkey),
                    sandbox=sandbox,
                    stack=stack,
                    declared=declared,
                    rehearsals=rehearsals,
                )
                providers = [one.provider for one in factory.providers(rehearsal=False).values()]
        except CommandError as error:
            yield fail("providers", str(error), "correct the configuration")
            return
        for finding in await asyncio.gather(*(_provider(one, settings) for one in providers)):
            yield finding


async def _provider(provider: Provider, settings: Settings) -> Finding:
    if not isinstance(provider, ServiceProvider):
        return await _nameservers(provider, settings)
    name = provider.name
    if provider.state is State.NOT_CONFIGURED:
        variables = ", ".join(
            f"ASSAY_PROVIDERS__{name.upper()}__{secret.upper()}"
            for secret in provider.service.SECRETS
        )
        return warn(name, "has no credentials: its check is NOT_CONFIGURED", f"set {variables}")
    url = shown_url(provider.terms.base_url)
    whose = "the sandbox answers in its place, " if provider.state is State.SANDBOX else ""
    problem = await _connected(provider.terms.base_url)
    if problem is None:
        return ok(name, f"{whose}{url} can be reached")
    return fail(
        name,
        f"{whose}{url} can't be reached: {problem}",
        f"check network, firewall and providers.{name}.base_url",
    )


async def _connected(url: str) -> str | None:
    """Connect as a call would, with TLS, but ask nothing; return what is wrong, None if nothing."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    try:
        async with asyncio.timeout(CONNECT_WAIT_S):
            _, writer = await asyncio.open_connection(
                parts.hostname, port, ssl=ssl.create_default_context() if secure else None
            )
            writer.close()
    except TimeoutError:
        return f"no connection within {CONNECT_WAIT_S:.0f} s"
    except ssl.SSLError as error:
        return f"TLS: {error.reason}"
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


async def _nameservers(provider: Provider, settings: Settings) -> Finding:
    configured = settings.gateway.nameservers
    whose = "the sandbox's" if provider.state is State.SANDBOX else ", ".join(configured)
    answers: dict[str, Found] = {}

    def deliver(found: Mapping[str, Found], _: Bill) -> None:
        answers.update(found)

    started = time.monotonic()
    deadline = asyncio.get_running_loop().time() + LOOKUP_WAIT_S
    await provider.ask([LOOKED_UP], deadline, deliver, Asker())
    took_ms = (time.monotonic() - started) * 1000
    server = f"nameserver: {whose or SYSTEMS}"
    if answers[LOOKED_UP].conclusion is Conclusion.UNDECIDED:
        return fail(
            "DNS",
            f"{server}; {LOOKED_UP} can't be looked up, after {took_ms:,.0f} ms",
            "it fails or knows no outside names: check /etc/resolv.conf, or set"
            " gateway.nameservers (ASSAY_GATEWAY__NAMESERVERS) to one that does",
        )
    return ok("DNS", f"{server}; {LOOKED_UP} looked up in {took_ms:,.0f} ms")

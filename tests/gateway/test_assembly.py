"""The composition root: what is configured is what is built, and it leaves nothing behind."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from gateway.assembly import assembled
from gateway.policies import policies_of
from gateway.private_valkey import PrivateValkeyError
from gateway.settings import ConfigurationError, Settings
from gateway.valkey import Valkey
from tests.assay_process import HASH_KEY, Sections, living, sections
from tests.sandbox_process import RunningSandbox, running_sandbox
from tests.valkey_process import throwaway_valkey


@pytest.fixture
def closed(valkey_url: str) -> Sections:
    """Give settings in which nobody answers."""
    return sections(None, valkey_url)


@pytest.fixture
async def sandbox() -> AsyncGenerator[RunningSandbox]:
    async with running_sandbox() as running:
        yield running


@pytest.mark.parametrize(
    "given, words",
    [
        ({"kinds": {"emial": {}}}, "kinds.emial: no such kind; did you mean 'email'?"),
        ({"checks": {"emial": {}}}, "checks.emial: no such kind"),
        ({"kinds": {"email": {"checks": ["mx"]}}}, "kind email has no check 'mx'; it has syntax"),
        ({"checks": {"email": {"mx": {}}}}, "kind email has no check 'mx'"),
        ({"providers": {"x": {}}}, "providers.x: no service 'x'; there are companies_house"),
        ({"providers": {"x": {"service": "y"}}}, "providers.x: no service 'y'"),
        (
            {"checks": {"email": {"mailbox": {"providers": ["nobody"]}}}},
            "checks.email.mailbox.providers: no provider 'nobody'; there are",
        ),
        (
            {"checks": {"email": {"mailbox": {"providers": ["vies"]}}}},
            "checks.email.mailbox.providers: 'vies' answers vatNumber.registry, not this check",
        ),
        ({"redis": {"url": "http://x"}}, "redis.url: "),
        ({"gateway": {"nameservers": ["bogus"]}}, "gateway.nameservers: write addresses such as"),
        ({"cache": {"hash_key": None}}, "cache.hash_key: needed with redis.url"),
    ],
)
async def test_settings_that_contradict_each_other_start_nothing(
    given: dict[str, Any], words: str, closed: Sections
) -> None:
    before = asyncio.all_tasks()
    with pytest.raises(ConfigurationError) as error:
        async with assembled(Settings(**{**closed, **given})):  # pyright: ignore[reportArgumentType]
            pass
    assert words in str(error.value)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_leaving_ends_every_task(closed: Sections) -> None:
    before = asyncio.all_tasks()
    async with living(closed) as assay:
        await assay.validate("results { status }", [{"vatNumber": "FR88100000009"}])
        assert asyncio.all_tasks() != before
    assert asyncio.all_tasks() == before


def test_a_policy_is_in_the_order_of_its_kind_and_has_no_local_check() -> None:
    settings = Settings(kinds={"email": {"checks": ["mailbox", "domain", "syntax"]}})  # pyright: ignore[reportArgumentType]
    policies = policies_of(settings)
    assert policies["email"] == ["domain", "mailbox"]
    assert policies["phone"] == ["line"]
    assert policies["iban"] == []
    nothing = Settings(kinds={"email": {"checks": []}})  # pyright: ignore[reportArgumentType]
    assert policies_of(nothing)["email"] == []


async def test_the_order_of_providers_is_the_order_in_which_they_are_asked(
    closed: Sections,
) -> None:
    """A second account with a service is a provider like any other."""
    second = {**closed["providers"]["zerobounce"], "service": "zerobounce", "api_key": "k" * 16}
    given = {
        **closed,
        "providers": {**closed["providers"], "second": second},
        "checks": {"email": {"mailbox": {"providers": ["zerobounce", "second"]}}},
    }
    selection = "results { verdicts { reasons { code } outcomes { check provider } } }"
    async with living(given) as assay:
        answer = await assay.ask("{ kinds { name checks { name providers } } }")
        payload = await assay.validate(selection, [{"email": "ada@one.example"}])
    checks = {
        (kind["name"], check["name"]): check["providers"]
        for kind in answer["data"]["kinds"]
        for check in kind["checks"]
    }
    assert checks["email", "mailbox"] == ["zerobounce", "second"]
    outcomes = {
        one["check"]: one["provider"] for one in payload["results"][0]["verdicts"][0]["outcomes"]
    }
    assert outcomes["mailbox"] == "second"  # the first has no credentials


async def test_outcomes_may_lie_on_a_server_of_their_own(
    sandbox: RunningSandbox, valkey_url: str
) -> None:
    """Limits and claims stay on the first, which must not evict."""
    async with throwaway_valkey() as cache_url:
        given = sections(sandbox, valkey_url, redis={"cache_url": cache_url})
        async with living(given) as assay:
            await assay.validate("results { status }", [{"vatNumber": "FR88100000009"}])
        first, second = Valkey(valkey_url, 2.0), Valkey(cache_url, 2.0)
        keys = [str(await one.run("KEYS", "*")) for one in (first, second)]
        for one in (first, second):
            await one.close()
        async with living(given) as assay:
            payload = await assay.validate(
                "results { status } usage { callsMade }", [{"vatNumber": "FR88100000009"}]
            )
    assert "claim:" in keys[0]
    assert "outcome:" not in keys[0]
    assert "outcome:" in keys[1]
    assert payload == {"results": [{"status": "VALID"}], "usage": {"callsMade": 0}}


async def test_another_hash_key_knows_nothing_of_what_was_kept(
    sandbox: RunningSandbox, valkey_url: str
) -> None:
    records = [{"vatNumber": "FR88100000009"}]
    for key in (HASH_KEY, HASH_KEY, HASH_KEY[::-1]):
        given = sections(sandbox, valkey_url, cache={"hash_key": key})
        async with living(given) as assay:
            await assay.validate("results { status }", records)
    assert len(await sandbox.log("vies")) == 2


async def test_what_serves_has_its_own_valkey_and_a_command_may_be_a_guest(tmp_path: Path) -> None:
    """A server that borrowed another's store would lose it when that one stops."""
    settings = Settings(gateway={"data_dir": tmp_path})  # pyright: ignore[reportArgumentType] - pydantic reads it
    async with assembled(settings):
        with pytest.raises(PrivateValkeyError, match="in use by process"):
            async with assembled(settings):
                pass
        async with assembled(settings, guest=True) as guest:
            await guest.valkey.ping()

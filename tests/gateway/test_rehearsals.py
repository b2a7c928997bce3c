"""The sandbox stands in for declared providers, with the examples of their declarations."""

import tomllib
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from gateway.rehearsals import rehearsals_of
from gateway.sandbox import Sandbox, SandboxError, tell
from gateway.settings import ConfigurationError, Settings
from providers.declared.reading import CONCLUSIONS
from providers.sending import State
from tests.assay_process import HASH_KEY, living
from tests.house.tree import ROOT
from tests.providers.declared.declaring import declarations
from tests.sandbox_process import started_sandbox

FOLDER = ROOT / "examples" / "declared"
FILES = sorted(FOLDER.glob("*.toml"))
TAXES = """
[kinds.taxId]
description = "A number of our own."
pattern = "(?P<area>[0-9]{2})[0-9]{2}"
[providers.taxes]
service = "http"
kind = "taxId"
check = "registry"
base_url = "http://127.0.0.1:9/v1"
auth = { type = "oauth2", token_url = "http://127.0.0.1:9/token" }
call = { method = "POST", path = "/check/{area}", form = { number = "{value}" } }
answer.status = { read = "state", map = { known = "VALID", gone = "INVALID" } }
"""
KNOWN = """
[[providers.taxes.sandbox]]
value = "1234"
gives = "VALID"
body = { state = "known" }
"""
GONE = """
[[providers.taxes.sandbox]]
value = "5678"
gives = "INVALID"
body = '{"state": "gone"}'
"""


def in_sandbox(text: str, valkey_url: str, there: Sandbox) -> dict[str, Any]:
    given: dict[str, Any] = tomllib.loads(text)
    return {
        **given,
        "gateway": {"sandbox": True, "sandbox_url": there.http, "sandbox_dns": there.dns},
        "redis": {"url": valkey_url, "timeout_ms": 3000},
        "cache": {"hash_key": HASH_KEY},
    }


def refused(text: str) -> str:
    with pytest.raises(ConfigurationError) as refusal:
        rehearsals_of(Settings(**tomllib.loads(text)), declarations(text))
    return str(refusal.value)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_example_file_has_a_valid_an_invalid_and_an_unknown_value(file: Path) -> None:
    text = file.read_text()
    settings = Settings(**tomllib.loads(text))
    (rehearsal,) = rehearsals_of(settings, declarations(text)).values()
    assert {one["gives"] for one in tomllib.loads(text)["providers"][file.stem]["sandbox"]} >= {
        "VALID",
        "INVALID",
        "UNKNOWN",
    }
    assert rehearsal.service.NAME == "http"


@pytest.fixture(scope="module")
def there() -> Generator[Sandbox]:
    """One sandbox for all, which learns of each."""
    with started_sandbox() as (http, dns, _):
        yield Sandbox(http, dns)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
async def test_every_example_file_can_be_tried(file: Path, there: Sandbox, valkey_url: str) -> None:
    """As it is; but what a provider does not decide is not asked of the next one here."""
    text = file.read_text()
    given = in_sandbox(text, valkey_url, there)
    ((name, table),) = tomllib.loads(text)["providers"].items()
    kind, check = table["kind"], table.get("check", name)
    given["checks"] = {kind: {check: {"providers": [name]}}}
    async with living(given) as assay:
        kinds = (await assay.ask("{ kinds { sandboxInputs { service value } } }"))["data"]["kinds"]
        known = [one for kind in kinds for one in kind["sandboxInputs"] if one["service"] == name]
        values = [one["value"] for one in known]
        assert values == [one["value"] for one in table["sandbox"]]
        records = [{kind: _sent(kind, value)} for value in values]
        outcomes = "outcomes { check provider conclusion reasons { code } }"
        selection = f"results {{ {kind} {{ {outcomes} }} }}"
        answer = await assay.validate(selection, records)
        rehearsed = await assay.validate(selection, records, sandbox=True)
    for results in (answer["results"], rehearsed["results"]):
        for example, result in zip(table["sandbox"], results, strict=True):
            (found,) = [one for one in result[kind]["outcomes"] if one["check"] == check]
            assert found["provider"] == name
            assert found["conclusion"] == CONCLUSIONS[example["gives"]].value, example
            codes = [one["code"] for one in found["reasons"]]
            assert codes[:1] == ([example["reason"]] if "reason" in example else [])


def _sent(kind: str, value: str) -> object:
    country, _, number = value.partition("/")
    return {"number": number, "jurisdiction": country} if kind == "company" else value


async def test_a_stand_in_needs_no_token_and_no_other_value_is_asked_about(
    valkey_url: str, there: Sandbox
) -> None:
    """The token's address would never be called for a made-up answer: nobody listens there."""
    selection = "results { taxId { status reasons { code } } } usage { callsMade }"
    async with living(in_sandbox(TAXES + KNOWN + GONE, valkey_url, there)) as assay:
        (panel,) = [one for key, one in assay.assembly.context.panels.items() if key[0] == "taxId"]
        assert [one.state for one in panel.providers] == [State.SANDBOX]
        answer = await assay.validate(
            selection, [{"taxId": "1234"}, {"taxId": "5678"}, {"taxId": "9999"}]
        )
    told = [
        (one["taxId"]["status"], [why["code"] for why in one["taxId"]["reasons"]])
        for one in answer["results"]
    ]
    assert told == [("VALID", []), ("INVALID", []), ("UNKNOWN", ["NOT_COVERED"])]
    assert answer["usage"]["callsMade"] == 2


async def test_another_example_is_another_answer(valkey_url: str, there: Sandbox) -> None:
    """What was kept of an example before is not told once the example says something else."""
    selection = "results { taxId { status } }"
    states: list[str] = []
    for text in (KNOWN, GONE.replace("5678", "1234")):
        async with living(in_sandbox(TAXES + text, valkey_url, there)) as assay:
            answer = await assay.validate(selection, [{"taxId": "1234"}])
        states.append(answer["results"][0]["taxId"]["status"])
    assert states == ["VALID", "INVALID"]


async def test_without_examples_nobody_stands_in(valkey_url: str, there: Sandbox) -> None:
    selection = "results { taxId { reasons { code } } }"
    async with living(in_sandbox(TAXES, valkey_url, there)) as assay:
        answer = await assay.validate(selection, [{"taxId": "1234"}])
    assert answer["results"] == [{"taxId": {"reasons": [{"code": "NOT_CONFIGURED"}]}}]


@pytest.mark.parametrize(
    "change, said",
    [
        (('known" }', 'gone" }'), "sandbox.0.gives: the rules make INVALID of this answer"),
        (('known" }', 'odd" }'), "gives: the rules make UNKNOWN (PROVIDER_PROTOCOL) of this"),
        (('"VALID"\nbody', '"VALID"\nreason = "TERMINATED"\nbody'), "sandbox.0.reason: the rules"),
        (('"1234"', '"12345"'), "'12345' is no value of kind taxId (MALFORMED)"),
        (('"5678"', '"1234"'), "sandbox: two examples are about one value"),
        (('"VALID"\nbody', '"VALID"\nhttp = 500\nbody'), "UNKNOWN (PROVIDER_UNAVAILABLE)"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_an_example_that_is_not_read_as_it_says_is_a_mistake(
    change: tuple[str, str], said: str
) -> None:
    text = (TAXES + KNOWN + GONE).replace(*change)
    assert said in refused(text)


def test_examples_that_are_asked_about_alike_are_a_mistake() -> None:
    text = TAXES.replace('form = { number = "{value}" }', 'form = { all = "yes" }') + KNOWN
    second = GONE.replace("5678", "1299")
    assert "sandbox.1.value: the call is that of an example before" in refused(text + second)


async def test_a_sandbox_that_is_not_there_is_named() -> None:
    with pytest.raises(SandboxError, match=r"no sandbox answers at http://127\.0\.0\.1:9"):
        await tell(Sandbox("http://127.0.0.1:9", "127.0.0.1:9"), [{"mount": "declared-a"}])

"""The files of examples/declared/ start, and read what their services answer."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft7Validator

from gateway.configuration_schema import configuration_schema
from gateway.declarations import declarations_of
from gateway.settings import load_settings
from tests.assay_process import HASH_KEY, Sections, living
from tests.declared_standin import StandIn, standing_in
from tests.house.tree import ROOT
from tests.providers.declared.example_services import EXAMPLES, Example

FOLDER = ROOT / "examples" / "declared"
FILES = sorted(FOLDER.glob("*.toml"))


def given(example: Example, there: StandIn, valkey_url: str) -> Sections:
    """Return the settings of the file, its service being the stand-in, without limits."""
    sections: dict[str, Any] = tomllib.loads((FOLDER / f"{example.name}.toml").read_text())
    provider = cast("dict[str, Any]", sections["providers"][example.name])
    path = "/" + "/".join(provider["base_url"].split("/")[3:])
    provider |= {
        "base_url": there.url + path.rstrip("/"),
        "api_key": "KEY",
        "rates": [],
        "attempts": 1,
    }
    for check in (one for kind in sections.get("checks", {}).values() for one in kind.values()):
        check["providers"] = [example.name]  # the next one is a real service
    if example.name in {"hunter", "bouncer"}:  # whose checks alone are the policy here
        sections["kinds"] = {"email": {"checks": [example.name]}}
    if example.name == "abstractapi":
        sections["kinds"] = {"email": {"checks": ["mailbox"]}}
    return {
        **sections,
        "redis": {"url": valkey_url, "timeout_ms": 3000},
        "cache": {"hash_key": HASH_KEY},
    }


def test_there_is_an_example_for_each_and_a_service_for_each_example() -> None:
    assert [file.stem for file in FILES] == sorted(example.name for example in EXAMPLES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_starts(file: Path) -> None:
    (service,) = declarations_of(load_settings(file)).services.values()
    assert service.reading.sheet.facts
    assert service.table.rates


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_fits_the_json_schema_that_editors_use(file: Path) -> None:
    text = file.read_text()
    assert text.startswith("#:schema ../../assay.schema.json\n")
    validator = Draft7Validator(json.loads(configuration_schema()))
    assert validator.is_valid(tomllib.loads(text))  # pyright: ignore[reportUnknownMemberType] - its stubs
    wrong = tomllib.loads(text.replace("service =", "servce ="))
    assert not validator.is_valid(wrong)  # pyright: ignore[reportUnknownMemberType] - as above


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
async def test_an_example_reads_what_its_service_answers(example: Example, valkey_url: str) -> None:
    async with (
        standing_in(example.answers) as there,
        living(given(example, there, valkey_url)) as assay,
    ):
        selection = f"results {{ {example.selection} }}"
        records = [record for record, _, _ in example.cases]
        answer = await assay.validate(selection, records)
        throttled = await assay.validate(selection, [example.throttled])
    found = [one for result in answer["results"] for one in result.values()]
    assert [told(one) for one in found] == [(status, code) for _, status, code in example.cases]
    assert found[0]["facts"] == example.facts
    (late,) = throttled["results"][0].values()
    assert told(late) == ("UNKNOWN", "RATE_LIMITED")


def told(verdict: Mapping[str, Any]) -> tuple[str, str | None]:
    return verdict["status"], next((reason["code"] for reason in verdict["reasons"]), None)


async def test_what_many_ask_bouncer_at_once_goes_in_one_call(valkey_url: str) -> None:
    bouncer = next(example for example in EXAMPLES if example.name == "bouncer")
    async with (
        standing_in(bouncer.answers) as there,
        living(given(bouncer, there, valkey_url)) as assay,
    ):
        records = [{"email": f"deliverable@b{number}.example"} for number in range(20)]
        answer = await assay.validate("results { status }", records)
    assert {one["status"] for one in answer["results"]} == {"VALID"}
    (call,) = there.calls
    assert len(call.json) == 20

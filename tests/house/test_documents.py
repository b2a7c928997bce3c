import json
import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType
from typing import Any, cast

import orjson
import pytest
from msgspec import Struct

from gateway import reference
from gateway.configuration_schema import configuration_schema
from gateway.policies import policies_of
from gateway.settings import Settings, load_settings
from providers.catalogue import SERVICES
from providers.declared.faults import FAULTS as DECLARED_FAULTS
from providers.errors import Fault
from schema.roots import build_schema
from tests.assay_process import HASH_KEY, living
from tests.house.tree import ROOT, files, rooms_standing, told
from tests.sandbox_process import started_sandbox

DOCUMENTS = (
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "docs/batches.md",
    "docs/cli.md",
    "docs/configuration.md",
    "docs/consistency.md",
    "docs/declared-providers.md",
    "docs/kinds.md",
    "docs/life-of-a-record.md",
    "docs/reasons.md",
    "docs/results.md",
    "docs/sandbox.md",
    "docs/services.md",
    "docs/subscriptions.md",
    "docs/verdicts.md",
    "docs/webhooks.md",
)
GENERATED = (
    "README.md",
    "docs/configuration.md",
    "docs/declared-providers.md",
    "docs/reasons.md",
)
DECISION_PARTS = ("## Context", "## Decision", "## Consequences")
CODE_OF_MAKE = re.compile(r"`(make [^`]+)`|^(make [^#\n]+)", re.MULTILINE)
MAKE = re.compile(r"\bmake ([a-z]+(?:-[a-z]+)*)\b")
NAMED_FILE = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|lua|md|toml|graphql|template))`")
NAMED_BOUND = re.compile(r"`([\w/]+\.py)` ((?:`[A-Z_]+`(?:, )?)+)")
TARGETS = ("setup", "demo", "serve", "test", "lint", "types", "schema", "bench", "scoreboard")
README_SCREEN_LINES = 40
# Home folders and other places of one machine; spelled so that this file does not hold them.
MACHINE_PATH = re.compile(
    "/" + r"(?:home|Users)/[a-z]\w*/|" + "/" + r"(?:root|work)/\w|/tmp/[\w-]+/bin/"
)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)\s]*)?\)")
BINARY = {".gz", ".ico", ".png", ".woff2"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_document_exists_and_says_something(document: str) -> None:
    assert len((ROOT / document).read_text("utf-8")) > 200


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{told(file)}: {target}"
        for file in files()
        if file.suffix == ".md"
        for target in LINK.findall(file.read_text("utf-8"))
        if not (file.parent / target).exists()
    ]
    assert broken == []


def test_readme_shows_both_commands_on_its_first_screen() -> None:
    first = "\n".join((ROOT / "README.md").read_text("utf-8").splitlines()[:README_SCREEN_LINES])
    assert "make demo" in first
    assert "make test" in first or "make serve" in first


def test_make_alone_explains_every_target() -> None:
    said = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    explained = dict(re.findall(r"^  make ([a-z-]+) +(\S.*)$", said, flags=re.MULTILINE))
    assert set(TARGETS) <= set(explained)


def test_nothing_names_a_place_on_one_machine() -> None:
    found = [
        f"{told(file)}: {place[0]}"
        for file in files()
        if file.suffix not in BINARY
        for place in [MACHINE_PATH.search(file.read_text("utf-8", errors="replace"))]
        if place
    ]
    assert found == []


def page(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


@pytest.mark.parametrize("name", GENERATED)
def test_tables_say_what_the_code_says(name: str) -> None:
    """When this fails: `python -m gateway.reference README.md docs/configuration.md …`."""
    assert reference.written(page(name)) == page(name)


def test_a_page_without_markers_or_with_half_of_them_is_an_error() -> None:
    with pytest.raises(ValueError, match="no markers"):
        reference.written("# Reasons")
    with pytest.raises(ValueError, match="end"):
        reference.written(page("docs/reasons.md").replace("<!-- reasons: end -->", ""))


@pytest.mark.parametrize(
    "setting", [one for one in reference.settings() if one.variable], ids=lambda one: one.key
)
def test_every_variable_that_the_page_shows_is_read(
    setting: reference.Setting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A provider's name, a kind and a check stand where the page has words for them."""
    samples = {
        "URL": "https://api.example.com/v1",
        "text": {"gateway.currency": "EUR", "batches.broker": "a.module:Broker"}.get(
            setting.key, "WARNING"
        ),
        "table": '{"acme": {"given_days": 1}}'
        if setting.key == "batches.tenants"
        else '{"subject": "hints"}',
        "secret": "whsec_" + "A" * 32
        if "webhooks" in setting.key
        else "A" * 43 + "="
        if "encryption" in setting.key
        else "0123456789abcdef",
        "path": "elsewhere",
        "list of texts": '["192.0.2.53"]',
        "`true` or `false`": "true",
        "`upper`": "upper",
        "regular expression": "[A-Z]+",
        "`failover` or `quorum`": "quorum",
    }
    least = re.search(r"from (\d+)", setting.takes)
    number = least[1] if least else "2"
    sample = next(
        (said for word, said in samples.items() if setting.takes.startswith(word)), number
    )
    names = {"KIND": "email", "CHECK": "mailbox", "NAME": "zerobounce"}
    variable, keys = setting.variable, setting.key.split(".")
    for word, name in names.items():
        variable = variable.replace(f"__{word}__", f"__{name.upper()}__")
    monkeypatch.chdir(tmp_path)  # nobody's own assay.toml takes part
    monkeypatch.setenv(variable, sample)
    given: Any = load_settings().model_dump(exclude_unset=True)
    for key in keys:
        given = given[names.get(key, key)]
    assert given is not None


def test_the_faults_of_every_service_are_as_retryable_as_the_page_says() -> None:
    codes = reference.LATER
    faults = [*chain.from_iterable(map(faults_of, SERVICES)), *DECLARED_FAULTS.values()]
    assert len(faults) > 40
    assert {fault for fault in faults if fault.retryable is not (fault.code in codes)} == set()


def faults_of(service: object) -> list[Fault]:
    found: list[Fault] = []
    for one in vars(cast("ModuleType", service)).values():
        if isinstance(one, Fault):
            found.append(one)
        elif isinstance(one, dict):
            inside = cast("dict[object, object]", one).values()
            found += [fault for fault in inside if isinstance(fault, Fault)]
    return found


class Fence(Struct, frozen=True):
    """A block of a document: its language and its text."""

    language: str
    text: str


def fences(text: str) -> list[Fence]:
    return [
        Fence(*found)
        for found in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


def following(name: str, mark: str) -> list[Fence]:
    """Return the blocks of a page behind the comment that says `mark`."""
    _, found, rest = page(name).partition(f"test_documents.py: {mark} -->")
    assert found
    return fences(rest)


async def test_the_readmes_request_has_the_answer_that_it_shows(valkey_url: str) -> None:
    request, answer = following("README.md", "request and answer")[:2]
    asked = json.loads(request.text[request.text.index("'{") + 1 : request.text.rindex("'")])
    with started_sandbox() as (http, dns, _):
        given = {
            "gateway": {"sandbox": True, "sandbox_url": http, "sandbox_dns": dns},
            "redis": {"url": valkey_url, "timeout_ms": 3000},
            "cache": {"hash_key": HASH_KEY},
        }
        async with living(given) as assay:
            said = await assay.ask(asked["query"], asked["variables"])
    assert said == orjson.loads(answer.text)


def test_the_readmes_configuration_is_one() -> None:
    table = following("README.md", "configuration")[0]
    settings = Settings(**tomllib.loads(table.text))
    assert settings.providers["zerobounce"].price is not None
    assert policies_of(settings)["email"] == ["domain", "mailbox"]


@pytest.mark.parametrize("name", ["docs/configuration.md", "docs/declared-providers.md"])
def test_every_example_of_configuration_is_one(name: str) -> None:
    tables = [fence for fence in fences(page(name)) if fence.language == "toml"]
    assert tables
    for table in tables:
        policies_of(Settings(**tomllib.loads(table.text)))


def test_the_committed_schema_is_the_one_that_is_served() -> None:
    """When this fails: `assay schema > schema.graphql`, and read the difference."""
    assert page("schema.graphql") == build_schema().as_str().rstrip() + "\n"


def test_the_committed_schema_of_the_configuration_is_the_one_of_the_settings() -> None:
    """When this fails: `assay schema --toml > assay.schema.json`."""
    assert page("assay.schema.json") == configuration_schema()


def test_every_decision_has_its_parts_and_its_number() -> None:
    decisions = sorted((ROOT / "docs" / "decisions").iterdir())
    assert [one.name[:5] for one in decisions] == [f"{n:04}-" for n in range(1, len(decisions) + 1)]
    for one in decisions:
        text = one.read_text("utf-8")
        assert text.startswith(f"# {int(one.name[:4])}. "), one.name
        assert [part for part in DECISION_PARTS if part not in text] == [], one.name


def test_every_target_that_a_document_names_exists() -> None:
    makefile = set(re.findall(r"^([a-z-]+):", page("Makefile"), flags=re.MULTILINE))
    named = {
        f"{told(file)}: make {target}"
        for file in files()
        if file.suffix == ".md"
        for code in CODE_OF_MAKE.findall(file.read_text("utf-8"))
        for target in MAKE.findall("".join(code))
        if target not in makefile
    }
    assert named == set()


def test_every_file_that_a_document_names_exists() -> None:
    missing = [
        f"{told(file)}: {name}"
        for file in files()
        if file.suffix == ".md"
        for name in NAMED_FILE.findall(file.read_text("utf-8"))
        if not (ROOT / name).exists() and not (file.parent / name).exists() and "NAME" not in name
    ]
    assert [one for one in missing if "KIND" not in one] == []


def test_every_bound_that_the_architecture_names_exists() -> None:
    found = NAMED_BOUND.findall(page("ARCHITECTURE.md"))
    assert len(found) > 15
    missing = [
        f"{file}: {bound}"
        for file, bounds in found
        for bound in re.findall(r"[A-Z_]+", bounds)
        if not re.search(rf"^{bound}\b.*= ", page(file), flags=re.MULTILINE)
    ]
    assert missing == []


def test_every_name_that_a_document_gives_leads_somewhere() -> None:
    rooms = "|".join(rooms_standing())
    dotted = re.compile(rf"`((?:{rooms})(?:\.\w+)+)`")
    beside = re.compile(r"`([A-Za-z_]+(?:\.[A-Za-z_]+)?)`(?: of [\w ]+)?\s\(`((?:\w+/)+\w+)\.py`")
    names = {
        name
        for document in ("ARCHITECTURE.md", "docs/life-of-a-record.md")
        for name in (
            *dotted.findall(page(document)),
            *(f"{file.replace('/', '.')}.{name}" for name, file in beside.findall(page(document))),
        )
        if not re.search(r"\b(?:KIND|NAME)\b|_max$|_ms$|\.graphql$", name)
    }
    assert len(names) > 20
    for name in sorted(names):
        assert resolve_name(name) is not None, name

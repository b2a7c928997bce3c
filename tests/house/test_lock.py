import json
import re
import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.house.tree import ROOT, project

Pins = dict[str, list[Version]]


def pins(lock: str) -> Pins:
    """Return the versions that a lock file pins; several where platforms need several."""
    found: Pins = {}
    for line in (ROOT / "requirements" / lock).read_text("utf-8").splitlines():
        if pinned := re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", line):
            found.setdefault(canonicalize_name(pinned[1]), []).append(Version(pinned[2]))
    return found


def unmet(asked: list[str], locked: Pins) -> Iterator[str]:
    for text in asked:
        requirement = Requirement(text)
        versions = locked.get(canonicalize_name(requirement.name), [])
        if not versions or not all(requirement.specifier.contains(v) for v in versions):
            yield f"{text}: locked {[str(version) for version in versions]}"


@pytest.mark.parametrize("lock", ["runtime.txt", "dev.txt"])
def test_lock_meets_what_assay_asks_for(lock: str) -> None:
    assert list(unmet(project()["project"]["dependencies"], pins(lock))) == [], "run 'make lock'"


@pytest.mark.parametrize("group", ["dev", "setup"])
def test_lock_meets_what_the_tools_ask_for(group: str) -> None:
    asked = project()["dependency-groups"][group]
    assert list(unmet(asked, pins(f"{group}.txt"))) == [], "run 'make lock'"


@pytest.mark.parametrize("lock", ["runtime.txt", "setup.txt"])
def test_tests_run_what_is_deployed(lock: str) -> None:
    """The development lock pins the same versions as the others."""
    dev = pins("dev.txt")
    assert {name: v for name, v in pins(lock).items() if dev.get(name) != v} == {}


@pytest.mark.parametrize(
    "lock",
    [
        *("requirements/runtime.txt", "requirements/dev.txt", "requirements/setup.txt"),
        "requirements/graphqler.txt",
        "examples/python_client/requirements.txt",
    ],
)
def test_every_pin_has_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")
    assert "://" not in text
    for entry in re.split(r"\n(?=[A-Za-z0-9])", text.partition("\n")[2].partition("\n")[2]):
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("folder", [".", "examples/typescript_client"])
def test_npm_lock_agrees_with_package_json_and_names_no_address(folder: str) -> None:
    package = json.loads((ROOT / folder / "package.json").read_text("utf-8"))
    asked = package["dependencies"] | package["devDependencies"]
    lock = json.loads((ROOT / folder / "package-lock.json").read_text("utf-8"))
    packages = lock["packages"]
    assert {name: packages[f"node_modules/{name}"]["version"] for name in asked} == asked
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [
        name for name, package in packages.items() if name and not package.get("integrity")
    ] == []


@pytest.mark.parametrize("lock", ["runtime.txt", "dev.txt"])
def test_no_library_is_below_its_floor(lock: str) -> None:
    """What is known to be unsafe is not locked."""
    floors = tomllib.loads((ROOT / "requirements" / "floors.toml").read_text("utf-8"))
    locked = pins(lock)
    for name, floor in floors.items():
        assert floor["because"], name
        versions = locked.get(canonicalize_name(name), [])
        assert all(version >= Version(floor["at_least"]) for version in versions), name
    assert set(map(canonicalize_name, floors)) & locked.keys(), "the floors are of our libraries"

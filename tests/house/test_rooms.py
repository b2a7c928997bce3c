import configparser
import importlib.metadata
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.conftest import SCANNED
from tests.house.tree import ROOT, project, rooms_standing


def contract() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter", encoding="utf-8")
    return parser


def words(text: str) -> set[str]:
    return set(text.replace("|", " ").split())


def test_rooms_built_are_the_rooms_standing() -> None:
    built = project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(built) == rooms_standing()


def test_rooms_under_contract_are_the_rooms_standing() -> None:
    """import-linter passes over a room that nobody listed."""
    assert words(contract()["importlinter"]["root_packages"]) == rooms_standing()


def test_every_room_has_its_place_in_the_layers() -> None:
    layers = words(contract()["importlinter:contract:layers"]["layers"])
    assert layers | {"console", "sandbox"} == rooms_standing()


def test_every_room_is_watched_for_blocking_calls_and_sorted_as_ours() -> None:
    sorted_as_ours = project()["tool"]["ruff"]["lint"]["isort"]["known-first-party"]
    assert set(SCANNED) == rooms_standing()
    assert set(sorted_as_ours) == rooms_standing()


def test_no_installed_distribution_owns_a_rooms_name() -> None:
    """A package of the same name would overwrite the room, and take it along when it goes."""
    owners = importlib.metadata.packages_distributions()
    strangers = {room: set(owners.get(room, ())) - {"assay"} for room in rooms_standing()}
    assert {room: owner for room, owner in strangers.items() if owner} == {}


def test_all_rooms_stand_under_one_roof() -> None:
    specs = {room: find_spec(room) for room in rooms_standing()}
    roofs = {Path(spec.origin).parents[1] for spec in specs.values() if spec and spec.origin}
    assert roofs == {ROOT}
    assert all(spec and spec.origin for spec in specs.values()), "a room lacks its __init__.py"


def test_imports_keep_every_contract() -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr

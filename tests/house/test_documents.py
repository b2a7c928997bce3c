import re
import subprocess

import pytest

from tests.house.tree import ROOT, files, told

DOCUMENTS = (
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "docs/configuration.md",
    "docs/kinds.md",
    "docs/reasons.md",
    "docs/verdicts.md",
)
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

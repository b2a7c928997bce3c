import ast

import pytest

from tests.house.tree import FOREIGN, ROOT, files, modules, rooms_standing, told

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
SERVICE_LINES_MAX = 150
# Names that accept anything grow without end.
CATCH_ALLS = {
    "base",
    "common",
    "core",
    "helper",
    "helpers",
    "manager",
    "misc",
    "service",
    "shared",
    "util",
    "utils",
}
UNFINISHED = ("TODO", "FIXME", "XXX:", "HACK", "NotImplementedError")
UNTESTED = ("pytest.skip", "mark.skip", "mark.xfail", "unittest.mock", "importorskip")


def lines(text: bytes) -> int:
    return text.count(b"\n")


def test_files_are_short() -> None:
    long = {told(file): lines(file.read_bytes()) for file, _ in modules()}
    assert {name: n for name, n in long.items() if n > FILE_LINES_MAX} == {}


def test_a_service_is_told_in_one_short_file() -> None:
    services = (ROOT / "providers" / "services").glob("*.py")
    long = {told(file): lines(file.read_bytes()) for file in services}
    assert {name: n for name, n in long.items() if n >= SERVICE_LINES_MAX} == {}


def test_functions_are_short() -> None:
    long = {
        f"{told(file)}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for file, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: n for name, n in long.items() if n > FUNCTION_LINES_MAX} == {}


def test_no_file_has_a_name_that_accepts_anything() -> None:
    assert [told(file) for file, _ in modules() if file.stem in CATCH_ALLS] == []
    assert (
        CATCH_ALLS & {folder.name for folder in ROOT.rglob("*/") if not foreign(told(folder))}
        == set()
    )


def foreign(name: str) -> bool:
    return bool(FOREIGN & set(name.split("/")))


def test_init_files_hold_a_docstring_at_most() -> None:
    full = [
        told(file) for file, tree in modules() if file.name == "__init__.py" and len(tree.body) > 1
    ]
    assert full == []


def test_rooms_say_what_they_are() -> None:
    mute = [
        told(file)
        for file, tree in modules()
        if told(file).split("/")[0] in rooms_standing() and ast.get_docstring(tree) is None
    ]
    assert mute == []


@pytest.mark.parametrize("word", UNFINISHED)
def test_nothing_is_left_unfinished(word: str) -> None:
    kinds = {".py", ".lua", ".toml", ".md", ".html", ".conf", ".sh", ""}
    assert found(word, kinds) == []


@pytest.mark.parametrize("word", UNTESTED)
def test_nothing_is_tested_half(word: str) -> None:
    assert found(word, {".py"}) == []


def found(word: str, kinds: set[str]) -> list[str]:
    return [
        told(file)
        for file in files()
        if file.suffix in kinds
        and "tests/house/" not in told(file)
        and word in file.read_text("utf-8", errors="replace")
    ]

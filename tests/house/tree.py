"""The files of the project, as the house tests see them."""

import ast
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

# Environments, caches and what is built or written at run time.
FOREIGN = {
    ".git",
    ".hypothesis",
    ".import_linter_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".venv",
    ".venv-graphqler",
    "__pycache__",
    "build",
    "dist",
    "node_modules",
}
FOREIGN_PATHS = {
    "benchmarks/out",
    "checks/data",
    "console/assets",
    "data",
    "examples/python_client/assay_client",
}
NOT_ROOMS = {"benchmarks", "deploy", "docs", "examples", "requirements", "tests"}


def files() -> Iterator[Path]:
    """Yield every file of ours, whether committed yet or not."""
    for folder, below, names in os.walk(ROOT):
        here = Path(folder)
        below[:] = [
            name
            for name in below
            if name not in FOREIGN
            and not name.endswith(".egg-info")
            and (here / name).relative_to(ROOT).as_posix() not in FOREIGN_PATHS
        ]
        yield from (here / name for name in names if name not in FOREIGN)


def modules() -> Iterator[tuple[Path, ast.Module]]:
    """Yield every Python file of ours with its syntax tree."""
    for file in files():
        if file.suffix == ".py":
            yield file, ast.parse(file.read_bytes(), filename=str(file))


def told(file: Path) -> str:
    """Return where a file is, for messages."""
    return file.relative_to(ROOT).as_posix()


def project() -> dict[str, Any]:
    """Return pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def rooms_standing() -> set[str]:
    """Return the names of the folders at the root that hold Python code of Assay's."""
    return {
        folder.name
        for folder in ROOT.iterdir()
        if folder.is_dir()
        and folder.name not in FOREIGN | NOT_ROOMS
        and next(folder.glob("**/*.py"), None) is not None
    }

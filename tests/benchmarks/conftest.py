"""A folder of their own for the measurements of this process: others may measure beside it."""

import os
from tempfile import TemporaryDirectory

_folder = TemporaryDirectory(prefix="assay-benchmarks-")
os.environ["BENCHMARKS_OUT"] = _folder.name  # read when `benchmarks` is imported


def pytest_unconfigure() -> None:
    """Remove it."""
    _folder.cleanup()

"""One gateway in sandbox mode for all tests of the command line in this process."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.gateway.cli.program import Serving, serving


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Serving]:
    with serving(Path(tmp_path_factory.mktemp("gateway")), "--sandbox") as running:
        yield running

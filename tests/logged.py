"""What was logged, as an operator reads it: through the formatter of ours."""

import json
import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from gateway.logs import JSONLines


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JSONLines())
        self.entries: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.entries.append(json.loads(self.format(record)))


@contextmanager
def logged(name: str) -> Generator[list[dict[str, Any]]]:
    """Collect what the logger `name` says, from INFO on, until left."""
    lines, logger = _Lines(), logging.getLogger(name)
    level = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.INFO)
    try:
        yield lines.entries
    finally:
        logger.setLevel(level)
        logger.removeHandler(lines)

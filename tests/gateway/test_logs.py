import json
import logging

import pytest

from gateway.logs import JSONLines, configure_logs
from tests.logged import logged

LOGGER = "tests.gateway.logs"
SECRET = "alice@example.com"


def test_a_line_is_one_json_object_with_what_came_along() -> None:
    with logged(LOGGER) as entries:
        logging.getLogger(LOGGER).warning("a %s", "line\nof two", extra={"path": ["a", 1]})
    entry = entries[0]
    assert entry.pop("timestamp").endswith("+00:00")
    assert entry == {
        "event": "a line\nof two",
        "path": ["a", 1],
        "level": "warning",
        "logger": LOGGER,
    }


def test_an_exception_is_told_by_its_types_and_places_without_its_message() -> None:
    with logged(LOGGER) as entries:
        try:
            raise ValueError(SECRET)
        except ValueError:
            logging.getLogger(LOGGER).exception("it broke")
    assert entries[0]["types"] == ["builtins.ValueError"]
    assert entries[0]["frames"][0].startswith("test_logs.py:")
    assert SECRET not in str(entries)


@pytest.mark.parametrize("odd", ["\ud800", 1 << 80, object(), float("nan"), {"a": {1, 2}}])
def test_whatever_came_along_is_written_in_one_ascii_line(odd: object) -> None:
    record = logging.makeLogRecord({"msg": "odd", "odd": odd})
    line = JSONLines().format(record)
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line)["event"] == "odd"


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    try:
        configure_logs("WARNING")
        logging.getLogger(LOGGER).info("quiet")
        logging.getLogger(LOGGER).error("loud")
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["loud"]

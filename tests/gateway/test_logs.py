import asyncio
import gc
import json
import logging
import traceback
from collections.abc import Generator

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from gateway.logs import JSONLines, NoQueryStrings, configure_logs
from tests.gateway.http_client import served
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


async def test_no_log_holds_the_query_string_of_a_handshake() -> None:
    """Neither of one that is taken nor of one that is refused: the server would log both."""

    async def greet(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    app = Starlette(
        routes=[WebSocketRoute("/graphql", greet)], middleware=[Middleware(NoQueryStrings)]
    )
    async with served(app) as client, aiohttp.ClientSession() as session:
        with logged("uvicorn.error") as logs:
            base = f"ws://localhost:{client.port}"
            async with session.ws_connect(f"{base}/graphql?key={SECRET}"):
                pass
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(f"{base}/nowhere?key={SECRET}")
    assert len([entry for entry in logs if "WebSocket" in entry["event"]]) == 2
    assert SECRET not in str(logs)


@pytest.fixture
def server() -> Generator[logging.Logger]:
    """Give the server's logger, as gunicorn leaves it; what is changed is set right afterwards."""
    loggers = [logging.getLogger(name) for name in (None, "uvicorn", "uvicorn.error")]
    before = [(one.level, one.handlers[:], one.propagate) for one in loggers]
    found = loggers[-1]
    found.setLevel(logging.DEBUG)
    found.handlers[:] = [logging.StreamHandler()]
    found.propagate = False
    yield found
    for one, (level, handlers, propagate) in zip(loggers, before, strict=True):
        one.setLevel(level)
        one.handlers[:] = handlers
        one.propagate = propagate


def test_the_server_never_says_what_was_sent(server: logging.Logger) -> None:
    """At DEBUG it writes each frame of a WebSocket."""
    configure_logs("DEBUG")
    assert logging.getLogger().level == logging.DEBUG
    assert server.getEffectiveLevel() == logging.INFO
    server.setLevel(logging.ERROR)
    configure_logs("DEBUG")
    assert server.level == logging.ERROR


def test_the_server_tells_of_an_exception_as_we_do(
    server: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("INFO")
    try:
        raise ValueError(SECRET)
    except ValueError:
        server.exception("Exception in ASGI application")
    said = capsys.readouterr().err
    assert json.loads(said)["types"] == ["builtins.ValueError"]
    assert SECRET not in said


async def test_what_nobody_waited_for_is_told_without_its_values() -> None:
    """Asyncio writes a task with its exception, and a callback with its arguments."""

    async def fails() -> None:
        raise ValueError(SECRET)

    def fails_with(_: str) -> None:
        raise ValueError(SECRET)

    loop = asyncio.get_running_loop()
    with logged("asyncio") as entries:
        task = loop.create_task(fails())
        loop.call_soon(fails_with, SECRET)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task
        gc.collect()
    called, waited = entries
    assert called["event"].startswith("Exception in callback")
    assert waited["event"] == "Task exception was never retrieved"
    assert called["types"] == waited["types"] == ["builtins.ValueError"]
    assert SECRET not in str(entries)


def test_a_traceback_that_is_handed_over_as_a_text_is_told_by_its_type() -> None:
    try:
        raise ValueError(SECRET)
    except ValueError:
        text = traceback.format_exc()
    with logged("uvicorn.error") as entries:
        logging.getLogger("uvicorn.error").error(text)
    (entry,) = entries
    assert (entry["event"], entry["types"]) == ("fault at a start or stop", ["ValueError"])
    assert SECRET not in str(entries)

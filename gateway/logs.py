"""Structured logs: one JSON object a line on standard error, never a record's value."""

import json
import logging
import re
import sys
from datetime import UTC, datetime

from starlette.types import ASGIApp, Receive, Scope, Send

from schema.lane.errors import origin

# What the logging library itself puts on every record; the rest came with `extra`.
_NOT_EXTRA = vars(logging.makeLogRecord({})).keys() | {"message", "asctime", "color_message"}


_ASYNCIO = re.compile(r"[^\n(<]*")
"""How asyncio begins: what follows represents whatever was under way, with its values."""
_TRACEBACK = "Traceback (most recent call last)"


class JSONLines(logging.Formatter):
    """Writes `event`, whatever came with `extra`, then `level`, `logger` and `timestamp` (UTC).

    Of an exception only its types and places are written: its message may hold a value.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`, without its end."""
        event = record.getMessage()
        if record.name == "asyncio" and (plain := _ASYNCIO.match(event)):
            event = plain[0].rstrip()
        entry: dict[str, object] = {"event": event}
        if event.startswith(_TRACEBACK):  # a text, as Starlette's lifespan hands it to the server
            last = event.rstrip().rpartition("\n")[2]
            entry = {"event": "fault at a start or stop", "types": [last.partition(":")[0]]}
        entry |= {key: value for key, value in vars(record).items() if key not in _NOT_EXTRA}
        if record.exc_info:
            entry |= origin(record.exc_info[1])
        entry["level"] = record.levelname.lower()
        entry["logger"] = record.name
        entry["timestamp"] = datetime.fromtimestamp(record.created, UTC).isoformat()
        return json.dumps(entry, default=repr)


def configure_logs(level: str) -> None:
    """Send what our own and the libraries' loggers say, from `level` on, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("aiocache", "alembic", "asyncio", "taskiq"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # At DEBUG the server writes each frame of a WebSocket, and the address of its handshake; and
    # the handlers that it has, or is given by gunicorn, write what an exception says.
    server = logging.getLogger("uvicorn.error")
    server.setLevel(max(server.getEffectiveLevel(), logging.INFO))
    for ours in (server, logging.getLogger("uvicorn")):
        ours.handlers[:] = []
        ours.propagate = True


class NoQueryStrings:
    """Stands before the app, and takes the query string off each handshake of a WebSocket.

    Nothing of ours reads it there, and the server writes it to its log, however it is answered.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "websocket":
            scope["query_string"] = b""
        await self._app(scope, receive, send)

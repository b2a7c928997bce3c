"""How uvicorn serves, under gunicorn and without: what it speaks, and its bounds.

Apart from `gateway.worker`, so that `assay serve` needs no gunicorn in its memory.
"""

from typing import Any

GRACEFUL_S = 20
"""For requests in flight, at a stop."""
CONNECTIONS_MAX = 3000
"""Connections of one worker, WebSockets among them; the next request is answered 503."""
WEBSOCKET_MESSAGE_MAX_BYTES = 65_536
WEBSOCKET_QUEUE_MAX = 8
WEBSOCKET_PING_S = 20.0
HEAD_MAX_BYTES = 16_384

SERVER: dict[str, Any] = {
    "loop": "uvloop",
    "http": "httptools",
    "ws": "websockets-sansio",
    "ws_max_size": WEBSOCKET_MESSAGE_MAX_BYTES,
    "ws_max_queue": WEBSOCKET_QUEUE_MAX,
    "ws_per_message_deflate": False,  # a few bytes would make us inflate megabytes
    "ws_ping_interval": WEBSOCKET_PING_S,
    "ws_ping_timeout": WEBSOCKET_PING_S,
    "h11_max_incomplete_event_size": HEAD_MAX_BYTES,
    "lifespan": "on",
    "limit_concurrency": CONNECTIONS_MAX,
    "timeout_graceful_shutdown": GRACEFUL_S,
    "server_header": False,
    "access_log": False,  # it would write query strings
}
"""Arguments of `uvicorn.Config`."""

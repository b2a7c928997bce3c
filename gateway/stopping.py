"""How a response without an end learns that its server stops.

Uvicorn closes WebSockets at a stop, but waits for HTTP responses, and those of subscriptions end
with their batch only. So a server of ours says when it stops, in the scope of each request; under
another server such a response ends with its client.
"""

import asyncio
from typing import cast

from starlette.types import ASGIApp, Receive, Scope, Send

KEY = "assay.stopping"


class Stopping:
    """Stands before the app; `begin` ends its responses that have no end of their own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._begun = asyncio.Event()

    def begin(self) -> None:
        """Say that the server stops."""
        self._begun.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with what tells it of a stop."""
        scope[KEY] = self._begun
        await self._app(scope, receive, send)


def stop_of(scope: Scope) -> asyncio.Event | None:
    """Return what is set when the server of a request stops; None if it would not say."""
    return cast("asyncio.Event | None", scope.get(KEY))

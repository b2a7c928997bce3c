"""Requests that pages of other sites make a browser send: let in from configured sites only.

A page of another site can have a browser send a GET, or a POST with a body that forms can have,
without asking first; with the user's address, behind the user's firewall. Browsers say so: in
`Origin`, and in `Sec-Fetch-Site` (Fetch Metadata). Who is no browser says neither. Which sites may
ask, and read what they are answered, is `gateway.origins` (CORS, by Starlette).
"""

from collections.abc import Sequence

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.hosts import Origins

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "OPTIONS")
SENT_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "Upload-Complete",
    "Upload-Offset",
)
READ_HEADERS = (
    "Content-Disposition",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "Upload-Complete",
    "Upload-Offset",
    "WWW-Authenticate",
)
PREFLIGHT_KEPT_S = 600
FOREIGN = (
    "Pages of other sites may not ask here. If this one may, add its origin (https://HOST) to"
    " gateway.origins (ASSAY_GATEWAY__ORIGINS)."
)
_FOREIGN_SITES = frozenset({b"cross-site", b"same-site"})


def cors(origins: Sequence[str]) -> list[Middleware]:
    """Return what answers preflights, and lets pages of `origins` read answers."""
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=list(METHODS),
            allow_headers=list(SENT_HEADERS),
            expose_headers=list(READ_HEADERS),
            max_age=PREFLIGHT_KEPT_S,
        )
    ]


class OriginCheck:
    """Stands before the app, and refuses what pages of other sites have a browser send."""

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        """Pass to `app` what comes from pages of `origins`, or from no browser."""
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it: 403. WebSockets have a check of their own."""
        if scope["type"] != "http" or self._is_ours(scope):
            await self._app(scope, receive, send)
            return
        body = {"errors": [{"message": FOREIGN, "extensions": {"code": "CROSS_ORIGIN"}}]}
        headers = {"Connection": "close", "Cache-Control": "no-store"}
        await JSONResponse(body, status_code=403, headers=headers)(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        site = mode = b""
        for name, value in scope["headers"]:
            if name == b"origin":
                return self._origins.allow(scope["headers"])
            if name == b"sec-fetch-site":
                site = value
            elif name == b"sec-fetch-mode":
                mode = value
        if site not in _FOREIGN_SITES:
            return True
        # a link that a person follows is shown to that person alone, and changes nothing
        return mode == b"navigate" and scope["method"] in {"GET", "HEAD"}

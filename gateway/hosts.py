"""Under which names Assay answers: a page of somebody else's must not reach it by DNS rebinding.

A browser that opened `http://evil.example` asks whatever address that name has by now, and calls it
`evil.example`. So a name in the `Host` header is answered only when it is this machine's own or one
that the configuration knows; an address needs no name server, so nobody can rebind it. What comes
over a Unix socket comes from a proxy, whose names are its own business (`deploy/` has nginx check).

Starlette's TrustedHostMiddleware knows names alone: no addresses, no Unix socket, and its answer is
plain text that does not say what to do.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK_NAME = "localhost"
ANY_NAME = "*"
HOSTS_KEPT_MAX = 256
POLICY_VIOLATION = 1008  # RFC 6455, section 7.4.1
_HOST = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[^\[\]:/@\s]+))(?::[0-9]{1,5})?")

MISSING = "Send one Host header (RFC 9112, section 3.2)."
FOREIGN = (
    "Assay does not answer under the name in the Host header. If it is one of yours, add it to"
    " gateway.hosts (ASSAY_GATEWAY__HOSTS); localhost and addresses always do."
)


class HostCheck:
    """Stands before the app, and answers requests for foreign names itself."""

    def __init__(self, app: ASGIApp, names: Iterable[str]) -> None:
        """Pass to `app` what is addressed to one of `names`; `*` among them stands for all."""
        self._app = app
        self._names = frozenset({LOOPBACK_NAME, *map(str.lower, names)})
        self._answers = lru_cache(HOSTS_KEPT_MAX)(self._is_ours)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it: 400 without a `Host`, 421 with a foreign one."""
        if scope["type"] not in {"http", "websocket"} or not _over_tcp(scope):
            await self._app(scope, receive, send)
            return
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) == 1 and self._answers(hosts[0]):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        elif len(hosts) == 1:
            await _refusal(421, "HOST_NOT_ALLOWED", FOREIGN)(scope, receive, send)
        else:
            await _refusal(400, "BAD_REQUEST", MISSING)(scope, receive, send)

    def _is_ours(self, host: bytes) -> bool:
        if ANY_NAME in self._names:
            return True
        parts = _HOST.fullmatch(host.decode("latin-1").lower())
        if parts is None:
            return False
        name = parts["six"] or parts["name"].removesuffix(".")
        return name in self._names or _is_address(name)


class Origins:
    """Which pages may ask: what they have a browser send has an `Origin`.

    A page of Assay's own address may, and one of this machine's or of a name that the
    configuration knows, at any port. That a page stands at an address vouches for nothing here.
    """

    def __init__(self, names: Iterable[str], origins: Iterable[str] = ()) -> None:
        """Let in pages of `names`, at any port, and of `origins`; `*` among `names` is all."""
        self._names = frozenset({LOOPBACK_NAME, *map(str.lower, names)})
        self._origins = frozenset(map(str.lower, origins))

    def allow(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Tell whether a handshake with these headers may go on; what is no browser may."""
        given = list(headers)
        origins = [value for name, value in given if name == b"origin"]
        if not origins or ANY_NAME in self._names:
            return True
        origin = origins[0].decode("latin-1").lower()
        if len(origins) == 1 and origin in self._origins:
            return True
        _, scheme, host = origin.partition("://")
        parts = _HOST.fullmatch(host)
        if len(origins) > 1 or not scheme or parts is None:
            return False
        ours = [value.decode("latin-1").lower() for name, value in given if name == b"host"]
        return ours == [host] or (parts["name"] or "").removesuffix(".") in self._names


def _over_tcp(scope: Scope) -> bool:
    """Return whether the request came to a port: a Unix socket has none."""
    server = scope.get("server")
    return server is None or server[1] is not None


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _refusal(status: int, code: str, message: str) -> JSONResponse:
    body = {"errors": [{"message": message, "extensions": {"code": code}}]}
    # with its body left unread, nothing more can be sent on this connection
    return JSONResponse(body, status_code=status, headers={"Connection": "close"})

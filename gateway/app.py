"""The web application: GraphQL, GraphiQL and its files, probes."""

import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette_compress import CompressMiddleware, remove_compress_type

from batches.ingest import Ingest
from console.page import (
    ASSET_CACHE_CONTROL,
    ASSETS_PATH,
    assets,
    content_security_policy,
    graphiql_page,
)
from gateway.admission import Admission
from gateway.asked import Callers, Headers
from gateway.assembly import Assembly, assembled
from gateway.batch_room import webhook_gate
from gateway.bind import bind_of, is_local
from gateway.contexts import Contexts
from gateway.cross_origin import OriginCheck, cors
from gateway.declarations import Declarations, declarations_of
from gateway.downloads import Downloads, Sources
from gateway.endpoint import Endpoint
from gateway.feeds import Feeds
from gateway.garbage import collect_less
from gateway.hosts import HostCheck, Origins
from gateway.load import LoadCheck
from gateway.logs import NoQueryStrings, configure_logs
from gateway.policies import policies_of
from gateway.registered import Registered
from gateway.settings import Settings, load_settings
from gateway.sockets import Sockets
from gateway.uploads import Uploads
from gateway.valkey import StoreAway
from resolvers.context import Context
from schema.roots import build_schema


def create_app(settings: Settings | None = None) -> Starlette:
    """Return the application; it assembles itself when the server starts it.

    Raises:
        ConfigurationError: `settings` are not given and can't be loaded, or contradict each other.
    """
    settings = settings or load_settings()
    # a reload must refuse them here, before the old workers are gone
    declarations = declarations_of(settings)
    policies_of(settings, declarations.kinds)
    configure_logs(settings.gateway.log_level)
    ready: list[Assembly] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        local = is_local(bind_of(settings))
        async with assembled(settings, declarations=declarations, local=local) as assembly:
            ready.append(assembly)
            assembly.batches.start(working=False)
            yield
            ready.clear()

    app = Starlette(
        routes=routes(settings, declarations, lambda: ready[0]),
        lifespan=lifespan,
        middleware=before(settings, lambda: ready[0]),
    )
    collect_less()
    return app


def app_of(assembly: Assembly) -> Starlette:
    """Return the application of what is assembled already."""
    settings = assembly.settings
    app = Starlette(
        routes=routes(settings, assembly.declarations, lambda: assembly),
        middleware=before(settings, lambda: assembly),
    )
    collect_less()
    return app


def before(settings: Settings, assembly: Callable[[], Assembly]) -> list[Middleware]:
    """Return what every request passes before it comes to a route."""
    checks = [
        Middleware(NoQueryStrings),
        Middleware(LoadCheck, load=lambda: assembly().doorkeeper.load),
        Middleware(HostCheck, names=_names(settings)),
        *cors(settings.gateway.origins),
        Middleware(OriginCheck, origins=_origins(settings)),
    ]
    if not settings.gateway.compress:
        return checks
    for streamed in ("text/event-stream", "multipart/mixed"):
        remove_compress_type(streamed)  # each of a thousand would hold a window, and hold back
    return [*checks, Middleware(CompressMiddleware)]


def _names(settings: Settings) -> tuple[str, ...]:
    return settings.gateway.host, *settings.gateway.hosts


def _origins(settings: Settings) -> Origins:
    return Origins(_names(settings), settings.gateway.origins)


def routes(
    settings: Settings, declarations: Declarations, assembly: Callable[[], Assembly]
) -> list[BaseRoute]:
    """Return every address that Assay answers; `assembly` is called for each request."""
    files = assets()

    admission = Admission(lambda: assembly().doorkeeper)

    contexts = Contexts(admission, assembly)
    callers = Callers(contexts.stay, _limits_of, Registered.of(settings.documents).asked)
    schema = build_schema(declarations.kinds)
    feeds = Feeds(schema, _tenant_of)
    endpoint = Endpoint(
        schema,
        context_for=contexts.of,
        page=_page,
        feeds=feeds,
        callers=callers,
        body_bytes_max=settings.gateway.body_bytes_max,
    )

    async def asset(request: Request) -> Response:
        found = files.get(request.url.path)
        if found is None:
            return JSONResponse({"error": "no such file"}, status_code=404)
        packed = "gzip" in request.headers.get("accept-encoding", "")
        headers = {"Cache-Control": ASSET_CACHE_CONTROL, "Vary": "Accept-Encoding"}
        if packed:
            headers["Content-Encoding"] = "gzip"
        return FileResponse(
            found.gzipped if packed else found.file, headers=headers, media_type=found.media_type
        )

    return [
        Route("/graphql", endpoint),
        *_files(settings, assembly, admission),
        WebSocketRoute(
            "/graphql",
            Sockets(schema, feeds, contexts.of, _origins(settings), callers=callers),
        ),
        Route(ASSETS_PATH + "{name:path}", asset),
        Route("/", _home),
        Route("/healthz", _alive),
        Route("/readyz", partial(_ready, assembly)),
    ]


def _files(
    settings: Settings, assembly: Callable[[], Assembly], admission: Admission
) -> list[BaseRoute]:
    """Return the addresses that take files in, and give them out."""

    async def ingest() -> Ingest:
        return await assembly().batches.ingest()

    async def sources() -> Sources:
        return await assembly().batches.sources()

    uploads = Uploads(
        ingest,
        admission,
        _origins(settings),
        currency=settings.gateway.currency,
        sandbox=settings.gateway.sandbox,
        gate=webhook_gate(settings) if settings.webhooks.secret is not None else None,
    )
    return [*uploads.routes(), *Downloads(sources, admission).routes()]


def _tenant_of(context: Context) -> str:
    return context.tenant


def _limits_of(context: Context) -> Headers:
    return () if context.allowance is None else context.allowance.headers()


async def _page(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with GraphiQL, under a policy that lets it load nothing from elsewhere."""
    nonce = secrets.token_urlsafe(24)
    headers = {
        "Content-Security-Policy": content_security_policy(nonce),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    await HTMLResponse(graphiql_page(nonce), headers=headers)(scope, receive, send)


async def _home(_: Request) -> Response:
    return RedirectResponse("/graphql")


async def _ready(assembly: Callable[[], Assembly], _: Request) -> Response:
    try:
        await assembly().valkey.ping()
    except StoreAway:
        reason = "the shared Valkey does not answer"
        return JSONResponse({"status": "unready", "reason": reason}, status_code=503)
    # why is for the log: it may name hosts and paths
    said = {} if assembly().batches.away is None else {"batches": "they can't be used now"}
    return JSONResponse({"status": "ready", **said})


async def _alive(_: Request) -> Response:
    return JSONResponse({"status": "alive"})

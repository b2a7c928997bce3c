"""A server that knows nothing but the page, its assets and a few answers."""

import secrets
from pathlib import Path
from typing import Any

import graphql
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from console.page import ASSET_CACHE_CONTROL, assets, content_security_policy, graphiql_page

SDL = (Path(__file__).parent / "stub.graphql").read_text("utf-8")
REASON = {"code": "OK", "message": "The value has its kind's form.", "retryable": False}
VERDICT = {
    "kind": "email",
    "input": "jane.doe@example.com",
    "normalized": "jane.doe@example.com",
    "status": "VALID",
    "source": "LOCAL",
    "reasons": [REASON],
}
ANSWERS = {
    "validate": {"results": [{"ref": "a contact", "status": "VALID", "verdicts": [VERDICT]}]},
    "kinds": [{"name": "email"}, {"name": "iban"}],
    "providers": [{"name": "vies"}],
}


def stub_app() -> Starlette:
    """Return the app. The page's files are looked up here, before any loop runs."""
    schema = graphql.build_schema(SDL)
    files = assets()

    async def page(_request: Request) -> Response:
        nonce = secrets.token_urlsafe(16)
        policy = {"Content-Security-Policy": content_security_policy(nonce)}
        return HTMLResponse(graphiql_page(nonce), headers=policy)

    async def answer(request: Request) -> Response:
        asked: dict[str, Any] = await request.json()
        result = graphql.execute_sync(  # pyright: ignore[reportUnknownMemberType] - theirs is not whole
            schema,
            graphql.parse(asked["query"]),
            root_value=ANSWERS,
            variable_values=asked.get("variables"),
            operation_name=asked.get("operationName"),
        )
        return JSONResponse(result.formatted)

    async def asset(request: Request) -> Response:
        found = files[request.url.path]
        headers = {"Cache-Control": ASSET_CACHE_CONTROL, "Content-Encoding": "gzip"}
        return FileResponse(found.gzipped, media_type=found.media_type, headers=headers)

    return Starlette(
        routes=[
            Route("/graphql", page, methods=["GET"]),
            Route("/graphql", answer, methods=["POST"]),
            Route("/assets/{name}", asset),
        ]
    )

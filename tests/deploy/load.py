"""Clients that ask without a pause, and count what did not come back as it should."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp

from tests.deploy.nginx_process import SERVER_NAME, Nginx
from tests.waiting import eventually_async

CLIENTS = 16
REQUEST_WAIT_S = 20.0


class Load:
    """What the clients have seen so far."""

    def __init__(self) -> None:
        self.answered = 0
        self.failed: Counter[str] = Counter()
        self.workers: Counter[int] = Counter()
        self.stopping = False

    async def ask(self, session: aiohttp.ClientSession, nginx: Nginx) -> None:
        """Ask until told to stop."""
        while not self.stopping:
            try:
                async with ask(session, nginx, "/graphql", data=b"{}") as response:
                    body = await response.json()
                    if response.status == 200:
                        self.answered += 1
                        self.workers[body["worker"]] += 1
                    else:
                        self.failed[f"status {response.status}"] += 1
            except (aiohttp.ClientError, TimeoutError) as error:
                self.failed[repr(error)] += 1

    async def answers(self, count: int) -> None:
        """Return when `count` more requests have been answered."""
        goal = self.answered + count
        assert await eventually_async(lambda: self.answered >= goal), self.failed


def ask(
    session: aiohttp.ClientSession,
    nginx: Nginx,
    path: str,
    *,
    data: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> "aiohttp.client._RequestContextManager":  # pyright: ignore[reportPrivateUsage]
    """Ask nginx over TLS by the name it serves; a GET without `data`, else a POST."""
    return session.request(
        "GET" if data is None else "POST",
        f"https://127.0.0.1:{nginx.https_port}{path}",
        data=data,
        headers={"Host": f"{SERVER_NAME}:{nginx.https_port}", **(headers or {})},
        ssl=nginx.tls,
        server_hostname=SERVER_NAME,
        timeout=aiohttp.ClientTimeout(total=REQUEST_WAIT_S),
        allow_redirects=False,
    )


@asynccontextmanager
async def load_on(nginx: Nginx) -> AsyncGenerator[Load]:
    """Keep CLIENTS clients asking until the block ends."""
    load = Load()
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as clients:
        for _ in range(CLIENTS):
            clients.create_task(load.ask(session, nginx))
        try:
            yield load
        finally:
            load.stopping = True

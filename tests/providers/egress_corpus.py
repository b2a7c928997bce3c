"""Addresses that lead back here or inside, in every dress, and somebody who hears whoever comes."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from aiohttp.abc import AbstractResolver, ResolveResult
from msgspec import Struct

# What must be refused, whatever is behind it. PORT is where the listener hears.
CORPUS = [
    "http://example.com/",
    "http://example.com:443/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:PORT/",
    "javascript:alert(1)",
    "//example.com/",
    "example.com",
    "https://",
    "https:///path",
    "https://example.com:22/",
    "https://example.com:80/",
    "https://example.com:6379/",
    "https://example.com:0/",
    "https://example.com:99999/",
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1/",
    "https://127.0.0.1:443/",
    "https://127.0.0.1:8443/",
    "https://127.0.0.1:PORT/",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.255.255.254/",
    "https://0.0.0.0/",
    "https://0/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://127.0.0.1./",
    "https://127.0.0.0x1/",
    "https://0x7f.0x0.0x0.0x1/",
    "https://017700000001/",
    "https://127.0.0.1%2F@example.com/",
    "https://example.com:443@127.0.0.1/",
    "https://169.254.170.2/v2/credentials",
    "https://１２７.０.０.１/",
    "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://100.100.100.200/",
    "https://169.254.169.254/latest/meta-data/",
    "https://168.63.129.16/",
    "https://192.0.0.1/",
    "https://192.0.2.1/",
    "https://192.88.99.1/",
    "https://198.18.0.1/",
    "https://198.51.100.1/",
    "https://203.0.113.1/",
    "https://224.0.0.1/",
    "https://239.255.255.255/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::1%25lo]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[0:0:0:0:0:ffff:7f00:1]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b:1::7f00:1]/",
    "https://[100::1]/",
    "https://[2001::1]/",
    "https://[2001:0:7f00:1::]/",
    "https://[2001:db8::1]/",
    "https://[2002:7f00:1::]/",
    "https://[3fff::1]/",
    "https://[5f00::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
]

# Names that are looked up, each with what the lookup says.
NAMES: dict[str, list[str]] = {
    "loopback.example": ["127.0.0.1"],
    "loopback6.example": ["::1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "private.example": ["10.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "one-of-two.example": ["93.184.216.34", "127.0.0.1"],
    "two-of-two.example": ["127.0.0.1", "93.184.216.34"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "scoped.example": ["fe80::1%lo"],
    "unspecified.example": ["0.0.0.0"],
}


class Canary(Struct):
    """Something on this machine that hears whoever comes."""

    port: int
    heard: list[str] = []


def aimed_at(port: int) -> Iterator[str]:
    """Yield what of the corpus can be called at all, as it is and with a port to hear it."""
    for url in CORPUS:
        if not url.startswith(("https:", "http:")) or url.partition("//")[2].startswith("example"):
            continue
        plain = url.replace(":PORT", "").rstrip("/")
        yield plain
        host, _, path = plain.partition("//")[2].partition("/")
        if not host.rpartition("]")[2].startswith(":"):
            yield f"{plain.partition('//')[0]}//{host}:{port}/{path}"


@asynccontextmanager
async def canary() -> AsyncGenerator[Canary]:
    """Listen on this machine until left."""
    heard = Canary(0)

    async def hear(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.heard.append(str(writer.get_extra_info("peername")))
        writer.close()

    async with AsyncExitStack() as stack:
        server = await asyncio.start_server(hear, "127.0.0.1", 0)
        heard.port = server.sockets[0].getsockname()[1]
        await stack.enter_async_context(server)
        with suppress(OSError):  # no IPv6 here, or that port is taken there
            await stack.enter_async_context(await asyncio.start_server(hear, "::1", heard.port))
        yield heard


class Said(AbstractResolver):
    """Looks names up in a table; one that rebinds says something else each time."""

    def __init__(self, port: int, answers: Sequence[Sequence[str]]) -> None:
        self._port = port
        self._answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return what is said next."""
        said = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        del port, family  # whatever the URL says, the listener is meant
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=self._port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in said
        ]

    async def close(self) -> None:
        """Do nothing."""

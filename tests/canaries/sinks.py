"""Where a value could end up, and the search for it there: however it is written or packed."""

import base64
import contextlib
import gzip
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote_to_bytes

import psutil
import zstandard
from msgspec import Struct
from redis import Redis

from tests.canaries.marks import Canary, Sort

UNPACKED_MAX = 1 << 24
AROUND = 60
PACKED: Mapping[bytes, Callable[[bytes], bytes]] = {
    b"\x28\xb5\x2f\xfd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    b"\x1f\x8b\x08": lambda data: zlib.decompressobj(31).decompress(data, UNPACKED_MAX),
    b"\x78\x9c": lambda data: zlib.decompressobj().decompress(data, UNPACKED_MAX),
}
"""How packed bytes begin, and how they are unpacked."""


class Sink(Struct, frozen=True):
    """Bytes that somebody may read; `labels`: the names of clients' things may stand there."""

    what: str
    content: bytes
    labels: bool = False


def leaks(canaries: Iterable[Canary], sinks: Iterable[Sink]) -> list[str]:
    """Return what was found where, each sort of value once a sink."""
    wanted = [(one, list(_written(one.text))) for one in canaries]
    found: dict[str, None] = {}
    for sink in sinks:
        for how, content in _read(sink.content):
            folded = content.lower()
            for one, forms in wanted:
                if sink.labels and one.sort is Sort.LABEL:
                    continue
                for form, plain in forms:
                    at = folded.find(form) if plain else content.find(form)
                    if at >= 0:
                        around = content[max(0, at - AROUND) : at + len(form) + AROUND]
                        found[f"{one.sort.value}, {one.what}, in {sink.what}{how}: {around!r}"] = (
                            None
                        )
                        break
    return list(found)


def _written(text: str) -> Iterator[tuple[bytes, bool]]:
    """Yield a text as it may be written, and whether small and capital letters are one."""
    plain = text.encode()
    yield plain.lower(), True
    yield plain.hex().encode(), True
    yield text.lower().encode("utf-16-le"), True
    for shift in range(3):  # where it begins in a text of base64; its ends depend on what is beside
        encoded = base64.b64encode(b"\0" * shift + plain)
        yield encoded[-(-shift * 8 // 6) : (shift + len(plain)) * 8 // 6], False


def _read(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield bytes as they are, with %-escapes resolved, and all that is packed in them."""
    yield "", content
    if b"%" in content:
        yield ", %-escaped", unquote_to_bytes(content)
    for begins, unpack in PACKED.items():
        at = content.find(begins)
        while at >= 0:
            with contextlib.suppress(zlib.error, zstandard.ZstdError, EOFError, gzip.BadGzipFile):
                yield ", packed", unpack(content[at : at + UNPACKED_MAX])
            at = content.find(begins, at + 1)


def files(folder: Path, what: str, *but: str) -> list[Sink]:
    """Return every file below `folder` as it lies there; files named in `but` are left out."""
    return [
        Sink(f"{what}, {file.relative_to(folder)}", file.read_bytes(), _is_database(file))
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name not in but
    ]


def _is_database(file: Path) -> bool:
    return file.name.startswith("batches.db")


def rows(file: Path, what: str) -> list[Sink]:
    """Return all that stands in an SQLite database, cell by cell: a long one lies in pieces."""
    found: list[Sink] = []
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        named = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in named:
            cells = database.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608 - its own
            found.extend(
                Sink(f"{what}, table {table}", _bytes(cell), labels=True)
                for row in cells
                for cell in row
                if isinstance(cell, str | bytes)
            )
    return found


def entries(url: str, what: str) -> list[Sink]:
    """Return all that a Valkey holds: its files may be packed in a way of their own."""
    with Redis.from_url(url) as any_client:  # pyright: ignore[reportUnknownMemberType]
        client = cast("Any", any_client)
        readers: Mapping[bytes, Callable[[bytes], object]] = {
            b"string": client.get,
            b"hash": client.hgetall,
            b"set": client.smembers,
            b"list": lambda key: client.lrange(key, 0, -1),
            b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
            b"stream": client.xrange,
        }
        held = {key: client.type(key) for key in client.scan_iter()}
        return [
            Sink(f"{what}, {key!r}", key + b"\n" + b"\n".join(_flat(readers[type_](key))))
            for key, type_ in held.items()
            if type_ != b"none"  # it has expired meanwhile
        ]


def _flat(value: Any) -> Iterator[bytes]:  # noqa: ANN401 - whatever the client reads
    match value:
        case dict():
            yield from _flat(list(cast("Any", value).items()))
        case list() | tuple() | set():
            for one in cast("Sequence[Any]", value):
                yield from _flat(one)
        case _:
            yield _bytes(value)


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


class Seen:
    """Arguments of processes, and what others than ours inherit, as anybody could have seen them.

    `began` are processes that a test started. Their environment is the operator's own; what
    *they* start gets its own, unless it is one of those (a worker of gunicorn's, say).
    """

    def __init__(self) -> None:
        self._arguments: dict[tuple[int, float], tuple[str, ...]] = {}
        self._environments: dict[tuple[int, float], bytes] = {}

    def look(self, began: Iterable[int]) -> None:
        """Look at these processes and at all that they started."""
        for pid in began:
            with contextlib.suppress(psutil.NoSuchProcess):
                one = psutil.Process(pid)
                self._note(one, inherited=False)
                ours = one.cmdline()
                for child in one.children(recursive=True):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        self._note(child, inherited=child.cmdline() != ours)

    def _note(self, process: psutil.Process, *, inherited: bool) -> None:
        key = process.pid, process.create_time()
        self._arguments[key] = tuple(process.cmdline())
        if inherited:
            told = process.environ().items()
            self._environments[key] = "\n".join(f"{name}={value}" for name, value in told).encode()

    def sinks(self) -> list[Sink]:
        """Return what was seen."""
        return [
            *(
                Sink(f"the arguments of {words[:3]}", "\n".join(words).encode())
                for words in self._arguments.values()
            ),
            *(
                Sink(f"the environment of {self._arguments[key][:3]}", content)
                for key, content in self._environments.items()
            ),
        ]

import gzip
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from batches.source.errors import SourceError
from batches.source.unpacking import RATIO_FREE_BYTES, Body

TEXT = b"email,name\n" + b"".join(b"user%d@b.example,Name %d\n" % (n, n * n) for n in range(5000))


def unpacked(packed: bytes, packing: str | None = None, size: int = 1000) -> bytes:
    """Return what comes out of a body that arrives in pieces of `size` bytes."""
    body = Body(packing)
    found: list[bytes] = []
    for at in range(0, len(packed), size):
        body.feed(packed[at : at + size])
        while piece := body.read(4096):
            found.append(piece)
    body.end()
    while piece := body.read(4096):
        found.append(piece)
    return b"".join(found)


def refused(packed: bytes, packing: str | None = None) -> SourceError:
    with pytest.raises(SourceError) as caught:
        unpacked(packed, packing, size=1 << 16)
    return caught.value


PACKED = {
    "as it is": TEXT,
    "gzip": gzip.compress(TEXT, mtime=0),
    "gzip in two parts": gzip.compress(TEXT[:999], mtime=0) + gzip.compress(TEXT[999:], mtime=0),
    "gzip on a tape": gzip.compress(TEXT, mtime=0) + bytes(512),
    "zstd": zstandard.compress(TEXT),
    "zstd in two frames": zstandard.compress(TEXT[:999]) + zstandard.compress(TEXT[999:]),
}


@pytest.mark.parametrize("packed", PACKED.values(), ids=PACKED)
@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_a_body_is_read_however_it_is_packed_and_arrives(packed: bytes, size: int) -> None:
    assert unpacked(packed, None, size) == TEXT


@given(st.text(st.characters(codec="ascii"), max_size=3).map(str.encode))
def test_a_body_that_is_shorter_than_any_mark_is_read(content: bytes) -> None:
    assert unpacked(content) == content


def test_a_coding_that_is_said_must_be_so() -> None:
    assert unpacked(gzip.compress(TEXT, mtime=0), "gzip") == TEXT
    assert refused(TEXT, "gzip").code == "NOT_WHAT_IT_SAYS"
    assert refused(gzip.compress(TEXT, mtime=0), "zstd").code == "NOT_WHAT_IT_SAYS"
    assert refused(b"", "gzip").code == "EMPTY_FILE"
    assert unpacked(b"\x1f\x8b", "identity") == b"\x1f\x8b"


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_bomb_is_refused_long_before_it_goes_off(pack: type[bytes]) -> None:
    bomb = pack(bytes(200 << 20))
    body = Body()
    body.feed(bomb)
    body.end()
    sizes: list[int] = []

    def read_all() -> None:
        while piece := body.read(1 << 16):
            sizes.append(len(piece))

    with pytest.raises(SourceError) as caught:
        read_all()
    assert caught.value.code == "TOO_MUCH_UNPACKED"
    assert sum(sizes) < 2 * max(RATIO_FREE_BYTES, 200 * len(bomb))


@pytest.mark.parametrize("packing", ["gzip", "zstd"])
def test_a_body_that_breaks_off_is_told_unless_more_will_come(packing: str) -> None:
    packed = PACKED[packing]
    assert refused(packed[:-20]).code == "TRUNCATED"
    body = Body()
    body.feed(packed[:-20])
    body.end(partial=True)
    found = b""
    while piece := body.read(4096):
        found += piece
    assert TEXT.startswith(found)


def test_a_body_that_is_damaged_is_told() -> None:
    packed = bytearray(gzip.compress(TEXT, mtime=0))
    packed[-6] ^= 0xFF  # the checksum
    assert refused(bytes(packed)).code == "BAD_PACKING"
    assert refused(b"\x1f\x8b\x09\x00" + b"nonsense" * 10).code == "BAD_PACKING"
    assert refused(gzip.compress(TEXT, mtime=0) + b"more").code == "BAD_PACKING"
    assert refused(b"\x28\xb5\x2f\xfd" + b"nonsense" * 10).code == "BAD_PACKING"


def test_a_window_that_takes_too_much_memory_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    error = refused(packer.compress(TEXT) + packer.flush())
    assert error.code == "BAD_PACKING"
    assert "--long" in error.message


def test_zlib_is_not_taken_for_gzip() -> None:
    assert refused(zlib.compress(TEXT), "gzip").code == "NOT_WHAT_IT_SAYS"

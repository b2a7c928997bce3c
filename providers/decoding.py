"""The one decoder for what services answer: bounded, and deaf to what is not plain JSON.

No body gets here that is longer than the transport's bounds, packed bodies included. What is not
UTF-8, not JSON (RFC 8259, which knows neither NaN nor a byte order mark), nested without end, or
not of the shape that the contract tells, is one error and no other: `ProtocolBroken`.
"""

import zlib
from typing import TypeVar

import msgspec

from providers.errors import ProtocolBroken

T = TypeVar("T")


def decoded(body: bytes, media_type: str, decoder: msgspec.json.Decoder[T]) -> T:
    """Return `body`, which says that it is `media_type`, as `decoder` knows it.

    Raises:
        ProtocolBroken: it is not JSON, not of that shape, or says that it is something else.
    """
    if "json" not in media_type:
        raise ProtocolBroken(f"the answer is {media_type.split(';', maxsplit=1)[0]}, not JSON")
    try:
        if not body.isascii():
            body.decode()  # msgspec does not look at what it skips
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        # msgspec names the field and the type, never the content
        kind = "shape" if isinstance(error, msgspec.ValidationError) else "JSON"
        raise ProtocolBroken(f"the answer has not the {kind} that its contract tells") from None


def only(body: bytes, times: int, names: tuple[str, ...]) -> None:
    """Make sure that the members that decide are in `body` `times` at most.

    Of members with one name a parser keeps the last (RFC 8259, section 4), and says nothing.

    Raises:
        ProtocolBroken: one of `names` stands there more often.
    """
    if any(body.count(b'"%b"' % name.encode()) > times for name in names):
        raise ProtocolBroken("the answer says twice what decides")


def inflated(body: bytes, bytes_max: int) -> bytes:
    """Return gzip `body` unpacked, at most `bytes_max` of it.

    Raises:
        ProtocolBroken: it is not gzip, or holds more than that.
    """
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(body, bytes_max)
    except zlib.error:
        raise ProtocolBroken("the answer says that it is gzip and is not") from None
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise ProtocolBroken(f"the answer unpacks to more than {bytes_max} bytes, or is cut")
    return plain

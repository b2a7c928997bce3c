"""Under which key an outcome is kept: a keyed hash, so that no value stands in the store."""

from collections.abc import Iterable
from hashlib import blake2b

RULES_VERSION = 1
"""Part of every key: another number forgets all that is kept, when rules have changed."""
DIGEST_BYTES = 16
SECRET_BYTES_MIN = 16


class Keys:
    """Names the questions of one (kind, check): keyed BLAKE2b (RFC 7693) of the value."""

    def __init__(self, secret: bytes, kind: str, check: str) -> None:
        """`secret` is shared by all processes that share outcomes.

        Raises:
            ValueError: `secret` has fewer than `SECRET_BYTES_MIN` bytes.
        """
        if len(secret) < SECRET_BYTES_MIN:
            raise ValueError(f"the hash key needs {SECRET_BYTES_MIN} bytes or more")
        self._begun = blake2b(key=secret[: blake2b.MAX_KEY_SIZE], digest_size=DIGEST_BYTES)
        self._begun.update(f"{RULES_VERSION}\0{kind}\0{check}\0".encode())

    def digests(self, values: Iterable[str]) -> list[bytes]:
        """Return the name of the question about each of `values`; see `digest`."""
        copy = self._begun.copy
        named: list[bytes] = []
        for value in values:
            hasher = copy()
            hasher.update(value.encode())
            named.append(hasher.digest())
        return named

    def digest(self, value: str) -> bytes:
        """Return the name of the question about `value`, `DIGEST_BYTES` long."""
        return self.digests((value,))[0]

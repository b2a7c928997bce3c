"""The text of a key: `assay_`, the key's id, `_`, the secret and a checksum of all before it.

The id may be shown anywhere and finds the key; the secret is shown once. By the prefix and the
checksum, tools that look for leaked secrets know a key from a string that only looks like one, and
a key that was copied without its end is told apart from a wrong one.
"""

import re
import secrets
import string
import zlib
from hashlib import blake2b

PREFIX = "assay"
ID_CHARS, SECRET_CHARS, CHECK_CHARS = 10, 32, 6
DIGEST_BYTES = 32
PEPPER_BYTES_MIN = 16
_LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_TEXT = re.compile(
    rf"{PREFIX}_([0-9A-Za-z]{{{ID_CHARS}}})_[0-9A-Za-z]{{{SECRET_CHARS}}}"
    rf"([0-9A-Za-z]{{{CHECK_CHARS}}})"
)


def new_id() -> str:
    """Return an id that no other key has: 59 bits of chance."""
    return _chance(ID_CHARS)


def new_text(id_: str) -> str:
    """Return the text of the key `id_`, with a new secret: 190 bits of chance."""
    said = f"{PREFIX}_{id_}_{_chance(SECRET_CHARS)}"
    return said + _check(said)


def id_in(text: str) -> str | None:
    """Return the id in the text of a key; None when it is none, or not whole."""
    parts = _TEXT.fullmatch(text)
    if parts is None or _check(text[:-CHECK_CHARS]) != parts[2]:
        return None
    return parts[1]


class Pepper:
    """What only the gateway knows, so that a copy of the store lets nobody try secrets."""

    def __init__(self, secret: bytes) -> None:
        """Use `secret`, the same for all who share the store.

        Raises:
            ValueError: it has fewer than `PEPPER_BYTES_MIN` bytes.
        """
        if len(secret) < PEPPER_BYTES_MIN:
            raise ValueError(f"the pepper needs {PEPPER_BYTES_MIN} bytes or more")
        key = blake2b(secret, digest_size=blake2b.MAX_KEY_SIZE, person=b"assay keys").digest()
        self._begun = blake2b(key=key, digest_size=DIGEST_BYTES)

    def digest(self, text: str) -> bytes:
        """Return what is kept of the text of a key: keyed BLAKE2b (RFC 7693).

        A quick hash is right where what is hashed cannot be guessed.
        """
        hasher = self._begun.copy()
        hasher.update(text.encode())
        return hasher.digest()


def _chance(count: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(count))


def _check(text: str) -> str:
    number = zlib.crc32(text.encode())
    letters = ""
    for _ in range(CHECK_CHARS):
        number, at = divmod(number, len(_LETTERS))
        letters = _LETTERS[at] + letters
    return letters

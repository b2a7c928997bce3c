"""Keys that seal what is kept, so that whoever has the store alone reads nothing of it."""

import binascii
from base64 import b64decode
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, SecretStr

if TYPE_CHECKING:
    from cache.sealing import Cipher

KEY_BYTES = 32
ID_BYTES = 4
_HOW = "make one with `openssl rand -base64 32`"


class SealBroken(Exception):
    """What was sealed has changed since, or lies elsewhere, or was sealed with another key."""


def key_of(text: str) -> bytes:
    """Return the master key that a setting writes as base64. Raise ValueError for anything else."""
    try:
        key = b64decode(text.strip(), validate=True)
    except binascii.Error as error:
        raise ValueError(f"an encryption key is base64: {_HOW}") from error
    if len(key) != KEY_BYTES:
        raise ValueError(f"an encryption key has {KEY_BYTES} bytes, this one {len(key)}: {_HOW}")
    return key


def keys_of(given: SecretStr | None) -> list[bytes]:
    """Return the keys that a setting writes, with commas between. Raise ValueError as `key_of`."""
    return [] if given is None else [key_of(one) for one in given.get_secret_value().split(",")]


def _checked(given: SecretStr) -> SecretStr:
    keys_of(given)
    return given


SealingKeys = Annotated[SecretStr, AfterValidator(_checked)]
"""A setting that holds keys, with commas between; what is none is refused at the start."""


def key_id_of(key: bytes) -> str:
    """Return the name by which a master key is found again; it tells nothing of the key."""
    return blake2b(key, digest_size=ID_BYTES, person=b"assay key id").hexdigest()


def cipher_of(key: bytes) -> "Cipher":
    """Return what seals with `key`, and opens."""
    # here, because most have nothing to seal
    from cache.sealing import Cipher  # noqa: PLC0415

    return Cipher(key)


class OutcomeSeal:
    """Seals outcomes with the present key, each for the digest it is kept under; opens all."""

    def __init__(self, present: bytes, older: Sequence[bytes] = ()) -> None:
        """Seal with `present`, open what `older` ones have sealed, too; of `KEY_BYTES` each."""
        self._id = bytes.fromhex(key_id_of(present))
        self._present = cipher_of(present)
        self._all = {bytes.fromhex(key_id_of(key)): cipher_of(key) for key in (*older, present)}

    def seal(self, body: bytes, digest: bytes) -> bytes:
        """Return `body` sealed, behind the id of the key."""
        return self._id + self._present.seal(body, digest)

    def open(self, sealed: bytes, digest: bytes) -> bytes | None:
        """Return what `seal` made this of; None when none of the keys opens it."""
        cipher = self._all.get(sealed[:ID_BYTES])
        if cipher is None:
            return None
        try:
            return cipher.open(sealed[ID_BYTES:], digest)
        except SealBroken:
            return None

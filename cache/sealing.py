"""Sealing: AES-GCM (NIST SP 800-38D) over bytes and over the name of the place that they lie in.

Imported where there is a key (`cache.encryption.cipher_of`): `cryptography` takes 6 MB of memory.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cache.encryption import SealBroken

NONCE_BYTES = 12


class Cipher:
    """Seals and opens with one key, in any thread."""

    def __init__(self, key: bytes) -> None:
        """Use `key`, of 32 bytes."""
        self._cipher = AESGCM(key)

    def seal(self, data: bytes, place: bytes) -> bytes:
        """Return `data` sealed for `place`: a new nonce, and what nobody reads without the key."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """Return the data that `seal` made `sealed` of, for the same `place`.

        Raises:
            SealBroken: that it did not.
        """
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
        except InvalidTag:
            raise SealBroken from None

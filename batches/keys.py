"""The keys that seal batches: each its own data key, wrapped by a master key of the configuration.

Removing the wrapped key of a batch makes all that was sealed with it unreadable, in every backup
of a later day too.
"""

import os
from collections.abc import Sequence

from msgspec import Struct

from batches.errors import StoreLocked
from cache.encryption import KEY_BYTES, SealBroken, cipher_of, key_id_of


class WrappedKey(Struct, frozen=True):
    """A data key as it lies in the store, and the id of the master key that opens it."""

    key_id: str
    sealed: bytes


class Keyring:
    """Master keys, of KEY_BYTES each: the present one wraps, all unwrap."""

    def __init__(self, present: bytes | None = None, older: Sequence[bytes] = ()) -> None:
        """Seal with `present`, nothing when it is None; read what `older` ones have sealed."""
        self.key_id = None if present is None else key_id_of(present)
        self.older = [one for one in map(key_id_of, older) if one != self.key_id]
        keys = older if present is None else [present, *older]
        self._masters = {key_id_of(key): cipher_of(key) for key in keys}

    def new_key(self, batch_id: str) -> WrappedKey | None:
        """Return a new data key for a batch; None when nothing is to be sealed."""
        return None if self.key_id is None else self._wrap(os.urandom(KEY_BYTES), batch_id)

    def unwrap(self, wrapped: WrappedKey, batch_id: str) -> bytes:
        """Return the data key of a batch.

        Raises:
            StoreLocked: none of these keys opens it.
        """
        master = self._masters.get(wrapped.key_id)
        if master is None:
            raise StoreLocked(
                f"batch {batch_id} is sealed with the key {wrapped.key_id}, which is not"
                " configured: put it into store.encryption_keys_old"
            )
        try:
            return master.open(wrapped.sealed, batch_id.encode())
        except SealBroken:
            raise StoreLocked(f"the data key of batch {batch_id} is damaged") from None

    def rewrap(self, wrapped: WrappedKey, batch_id: str) -> WrappedKey | None:
        """Return the key of a batch under the present master key, None if it already is."""
        if self.key_id in {None, wrapped.key_id}:
            return None
        return self._wrap(self.unwrap(wrapped, batch_id), batch_id)

    def _wrap(self, key: bytes, batch_id: str) -> WrappedKey:
        assert self.key_id is not None, "whoever wraps has a key"
        sealed = self._masters[self.key_id].seal(key, batch_id.encode())
        return WrappedKey(self.key_id, sealed)

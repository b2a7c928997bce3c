"""A bounded dictionary that forgets the oldest half when it is full: cheap, and never slow."""

from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """Keeps the newest `kept_max` entries or fewer, but no fewer than half as many.

    Two generations: when the young one is full it becomes the old one, whose entries go. (Taking
    the oldest key off one dictionary, again and again, walks over all the holes at its front.)
    """

    __slots__ = ("_half", "_old", "_young")

    def __init__(self, kept_max: int) -> None:
        """Keep at most `kept_max` entries."""
        self._half = max(1, kept_max // 2)
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def get(self, key: K) -> V | None:
        """Return the entry of `key`, None when there is none."""
        found = self._young.get(key)
        return self._old.get(key) if found is None else found

    def get_all(self, keys: Iterable[K]) -> list[V | None]:
        """Return the entry of each of `keys`, None where there is none."""
        keys = list(keys)
        found: list[V | None] = list(map(self._young.get, keys))
        if self._old:
            old = self._old.get
            found = [old(key) if one is None else one for key, one in zip(keys, found, strict=True)]
        return found

    def put(self, key: K, entry: V) -> None:
        """Keep `entry` for `key`."""
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = entry

    def put_all(self, entries: Mapping[K, V]) -> None:
        """Keep all `entries`, as `put` does, and at once where they are few beside the bound."""
        if len(entries) > self._half:
            for key, entry in entries.items():
                self.put(key, entry)
            return
        if len(self._young) + len(entries) > self._half:
            self._old, self._young = self._young, {}
        self._young.update(entries)

    def clear(self) -> None:
        """Forget everything."""
        self._young, self._old = {}, {}

    def drop(self, key: K) -> None:
        """Forget `key`, if it is there."""
        self._young.pop(key, None)
        self._old.pop(key, None)

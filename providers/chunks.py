"""How many values become calls: by partition, by number, by bytes. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence

BYTES_AROUND = 40
"""What a call says around each value: quotes, commas, the name of a member."""


def in_partitions(
    values: Sequence[str], partition_of: Callable[[str], str] | None
) -> Mapping[str, Sequence[str]]:
    """Return `values` by their partition, in their order; all in one where there are none."""
    if partition_of is None:
        return {"": values}
    groups: dict[str, list[str]] = {}
    for value in values:
        groups.setdefault(partition_of(value), []).append(value)
    return groups


def in_chunks(values: Sequence[str], count_max: int, bytes_max: int) -> Iterator[Sequence[str]]:
    """Yield `values` in their order, each chunk within both bounds; one value always is one.

    >>> list(in_chunks(["a", "b", "c"], 2, 1000))
    [['a', 'b'], ['c']]
    """
    begun = size = 0
    for at, value in enumerate(values):
        own = len(value.encode("utf-8", "surrogatepass")) + BYTES_AROUND
        if at > begun and (at - begun >= count_max or size + own > bytes_max):
            yield values[begun:at]
            begun, size = at, 0
        size += own
    if begun < len(values):
        yield values[begun:]

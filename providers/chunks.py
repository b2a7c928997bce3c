"""How many values become calls: by partition, by number, by bytes. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence

UTF8_BYTES_MAX = 4
"""Of one character (RFC 3629)."""
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
    for at in range(0, len(values), count_max):
        chunk = values[at : at + count_max]
        least_room = UTF8_BYTES_MAX * sum(map(len, chunk)) + BYTES_AROUND * len(chunk)
        if least_room <= bytes_max or len(chunk) == 1:
            yield chunk  # without a look at each value, as it mostly is
        else:
            yield from _in_bytes(chunk, bytes_max)


def _in_bytes(values: Sequence[str], bytes_max: int) -> Iterator[Sequence[str]]:
    begun = size = 0
    for at, value in enumerate(values):
        own = len(value.encode("utf-8", "surrogatepass")) + BYTES_AROUND
        if at > begun and size + own > bytes_max:
            yield values[begun:at]
            begun, size = at, 0
        size += own
    if begun < len(values):
        yield values[begun:]

"""The shape of results in a file, whoever writes it: which columns there are, and in which order.

The client's own columns come first, then `status`, then what is said of each field.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from batches.decided import Decided
from batches.given import Layout
from verdicts.verdict import RecordResult

PARTS = ("status", "normalized", "reasons")
"""What stands of the verdict on a field: `email_status`, `email_normalized`, `email_reasons`."""
OWN_PREFIX = "assay_"
"""Before our columns, where one of the client's has the name of one of ours."""
REF = "ref"


class Own(Struct, frozen=True):
    """The client's own columns.

    `columns` are those of a table. None where records came as objects: then it is `ref`, and the
    fields that were `carried` beside those of records.
    """

    columns: tuple[str, ...] | None = None
    carried: tuple[str, ...] = ()

    @property
    def names(self) -> Sequence[str]:
        """Their names, in their order."""
        return (REF, *self.carried) if self.columns is None else self.columns

    def cells(
        self, chunk: Decided, places: Sequence[int], results: Sequence[RecordResult]
    ) -> list[Sequence[str | None]]:
        """Return the cells of each column at `places`, where `results` are.

        None where there is none: in what is kept no longer, and in an object without that field.
        """
        given = chunk.given
        if self.columns is None:
            beside = None if given is None else given.carried
            refs: list[Sequence[str | None]] = [[result.ref for result in results]]
            return refs + [
                [None if beside is None else cell_text(beside[place].get(name)) for place in places]
                for name in self.carried
            ]
        if given is None or given.columns is None:
            return [[None] * len(places)] * len(self.columns)
        if len(places) == len(chunk.results):
            return list(given.columns)
        return [[column[place] for place in places] for column in given.columns]


def own_of(layout: Layout) -> Own:
    """Return the client's own columns in a batch with this layout."""
    mapping = layout.mapping
    return Own(None, layout.carried) if mapping is None else Own(tuple(mapping.columns))


def cell_text(json: str | None) -> str | None:
    """Return a value of JSON as it stands in one cell: a string as itself, null as nothing."""
    if json is None or json == "null":
        return None
    return msgspec.json.decode(json, type=str) if json[0] == '"' else json


def our_columns(columns: Sequence[str], fields: Iterable[str]) -> list[str]:
    """Return the names of the columns that stand behind the client's `columns`."""
    ours = ["status", *(f"{name}_{part}" for name in fields for part in PARTS)]
    if set(ours) & set(columns):
        ours = [OWN_PREFIX + name for name in ours]
    return ours


def codes_text(codes: Iterable[str]) -> str:
    """Return reason codes as they stand in one cell, each once."""
    return " ".join(dict.fromkeys(codes))

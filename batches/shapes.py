"""The shape of results in a file, whoever writes it: which columns there are, and in which order.

The client's own columns come first, then `status`, then what is said of each field.
"""

from collections.abc import Iterable, Sequence

PARTS = ("status", "normalized", "reasons")
"""What stands of the verdict on a field: `email_status`, `email_normalized`, `email_reasons`."""
OWN_PREFIX = "assay_"
"""Before our columns, where one of the client's has the name of one of ours."""
REF = ("ref",)
"""The client's columns where records came as objects."""


def our_columns(columns: Sequence[str], fields: Iterable[str]) -> list[str]:
    """Return the names of the columns that stand behind the client's `columns`."""
    ours = ["status", *(f"{name}_{part}" for name in fields for part in PARTS)]
    if set(ours) & set(columns):
        ours = [OWN_PREFIX + name for name in ours]
    return ours


def codes_text(codes: Iterable[str]) -> str:
    """Return reason codes as they stand in one cell, each once."""
    return " ".join(dict.fromkeys(codes))

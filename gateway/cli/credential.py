"""The key that a command shows to an Assay that runs elsewhere."""

import os

VARIABLE = "ASSAY_API_KEY"
"""Not an option: the arguments of a program are seen by everybody on the machine."""


def credential() -> dict[str, str]:
    """Return the header that shows the key of the environment; none where there is none."""
    key = os.environ.get(VARIABLE, "").strip()
    return {"Authorization": f"Bearer {key}"} if key else {}

"""What makes an answer a fault of ours, whoever made up the question."""

import re
from typing import Any, cast

import orjson

from tests.house.tree import ROOT

ANSWER_S = 20.0
STATUSES = {200, 400}
MEDIA_TYPES = {"application/json", "application/graphql-response+json"}
CODES = set(
    re.findall(
        r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "errors.md").read_text("utf-8"), re.MULTILINE
    )
) - {"INTERNAL"}


def judged(status: int, media_type: str, body: bytes) -> tuple[list[str], set[str]]:
    """Return what is wrong with an answer, and which root fields have data in it."""
    if status not in STATUSES or media_type.partition(";")[0] not in MEDIA_TYPES:
        return [f"status {status}, {media_type}"], set()
    told: dict[str, Any] = orjson.loads(body)
    codes = {cast("str", error["extensions"]["code"]) for error in told.get("errors", ())}
    data: dict[str, Any] = told.get("data") or {}
    return sorted(codes - CODES), {name for name, value in data.items() if value is not None}

"""What becomes of a value when its answer fails in one of the sandbox's ways: one outcome each.

The same for every service; what a status means is told by each service's own table.
"""

from collections.abc import Mapping

from sandbox.faults import MODES

AS_EVER = "as ever"
"""The answer is as true as it was, and is read."""
PROTOCOL, UNAVAILABLE = "PROVIDER_PROTOCOL", "PROVIDER_UNAVAILABLE"

_BY_BOTH: Mapping[str, str] = {
    **dict.fromkeys(("latency", "extra_reply", "long_integer"), AS_EVER),
    **dict.fromkeys(("drip", "hang", "html_503"), UNAVAILABLE),
    **dict.fromkeys(("reset", "reset_mid_body", "fin_mid_body"), UNAVAILABLE),
    **dict.fromkeys(("html_200", "redirect", "empty", "json_null", "json_list"), PROTOCOL),
    **dict.fromkeys(("truncated", "cut_undeclared", "malformed", "bom", "nan"), PROTOCOL),
    **dict.fromkeys(("latin_1", "deep_nesting", "duplicate_keys"), PROTOCOL),
    **dict.fromkeys(("wrong_content_type", "huge", "gzip_bomb"), PROTOCOL),
    **dict.fromkeys(("many_headers", "header_flood", "long_header"), PROTOCOL),
    **dict.fromkeys(("unknown_status", "changed_type", "missing_field", "foreign"), PROTOCOL),
}
SINGLY: Mapping[str, str] = {**_BY_BOTH, **{m: AS_EVER for m in MODES if m.startswith("items_")}}
IN_BULK: Mapping[str, str] = {
    **_BY_BOTH,
    "items_missing": AS_EVER,  # asked again
    "items_doubled": AS_EVER,
    "items_reordered": AS_EVER,
    "items_contradict": PROTOCOL,
    "items_foreign": PROTOCOL,
}
BY_STATUS = "by its table"
assert set(SINGLY) == set(IN_BULK) == {m for m in MODES if not m.startswith("status_")}

EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("twilio_lookup", "unknown_status"): "CONFIRMED",  # the number is; its sort of line is not
    ("gleif", "items_missing"): PROTOCOL,  # its page says how many there should be
}

"""The keys under which the shared store keeps what it knows of an account's permits."""

from collections.abc import Sequence

from providers.rates import Rate


def permit_keys(account: str, lane: str, rates: Sequence[Rate]) -> list[str]:
    """Return the keys in the order in which permits.lua, heed.lua and standing.lua take them.

    They are of `account`, or of those of its calls that are limited apart (`lane`), which share
    its slots; of `rates` those that are counted by slice or by calendar have one each.
    """
    whole = f"permits:{{{account}}}"  # one hash slot for all keys of an account
    tag = f"{whole}:{lane}" if lane else whole
    counted = [rate.text for rate in rates if rate.counting in {"slices", "calendar"}]
    first = [f"{tag}:state", f"{tag}:calls", f"{whole}:slots", f"{tag}:tenants", f"{tag}:dues"]
    return [*first, *(f"{tag}:{text}" for text in counted), f"{tag}:alone"]

"""Every fault of the sandbox at every service, through the whole way; see `scoreboard`."""

import random
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from operator import itemgetter
from typing import Any

import orjson

from benchmarks.promises import OTHER_KEY, Kept, Promise, post
from benchmarks.sandboxed import House, asking, house, results
from sandbox.faults import MODES
from sandbox.inputs import SANDBOX_INPUTS

FAULT_DEADLINE_MS = 1_000
SAMPLES_A_SERVICE = 3
NO_FAULTS = {"status_404"}
"""By their contracts three of the services say with 404 that there is no such entry."""
DEFINITIVE = ("VALID", "INVALID", "RISKY")
SERVICES = sorted({one.service for one in SANDBOX_INPUTS} - {"dns"})


def samples(home: House) -> dict[str, tuple[dict[str, object], str]]:
    """Return records that the calm services decide, some of each, with their status."""
    records: dict[str, dict[str, object]] = {}
    for one in SANDBOX_INPUTS:
        if one.service != "dns":
            records[f"{one.service} {one.value}"] = _record(one.kind, one.value)
    body = asking([{"ref": ref, **record} for ref, record in records.items()])
    (answer,) = post(home.gateways[:1], body)
    found: dict[str, tuple[dict[str, object], str]] = {}
    taken: Counter[tuple[str, str]] = Counter()
    for one in results(answer):
        service = one["ref"].partition(" ")[0]
        if one["status"] in DEFINITIVE and taken[service, one["status"]] < SAMPLES_A_SERVICE:
            taken[service, one["status"]] += 1
            found[one["ref"]] = (records[one["ref"]], one["status"])
    return found


def _record(kind: str, value: str) -> dict[str, object]:
    match kind:
        case "phone":
            return {"phone": {"number": value}}
        case "company":
            return {"company": {"number": value, "jurisdiction": "GB"}}
        case "postcode":
            return {"postcode": {"code": value, "country": "GB"}}
        case "address":
            place = {"locality": "Leeds", "postalCode": "LS1 1AA", "country": "GB"}
            return {"address": {"lines": [value], **place}}
        case _:
            return {kind: value}


def no_verdict_from_a_fault(seed: int, quick: bool) -> Kept:  # noqa: FBT001
    """R8: let every service fail in every way, asked singly and in bulk; compare with the calm."""
    ways = sorted(MODES.keys() - NO_FAULTS)
    modes = random.Random(seed).sample(ways, 6 if quick else len(ways))
    over_https: Mapping[str, object] = {"email": {"domain": {"providers": ["dns_over_https"]}}}
    single: Mapping[str, object] = {"checks": over_https}
    bulk: Mapping[str, object] = {
        "checks": over_https,
        "cache": OTHER_KEY,
        "providers": {
            "zerobounce": {"rates": [], "bulk_rates": [], "bulk_from": 2},
            "postcodes_io": {"rates": [], "bulk_from": 2},
        },
    }
    wrong, errors, verdicts = list[str](), 0, Counter[str]()
    with house(single, bulk) as home:
        known = samples(home)
        body = asking(
            [{"ref": ref, **record} for ref, (record, _) in known.items()],
            deadlineMs=FAULT_DEADLINE_MS,
            maxAge="PT0S",
        )
        memory = {"": _resident(home)}
        for mode in modes:
            home.store.command("FLUSHALL")  # pauses, and all that was kept
            close_breakers(home)
            home.sandbox.unlimited()
            home.sandbox.fail(mode)
            for answer in post(home.gateways, body, body):
                found = _answered(answer)
                errors += found is None
                for one in found or ():
                    truth = known[one["ref"]][1]
                    verdicts["as ever" if one["status"] == truth else one["status"]] += 1
                    if one["status"] not in {truth, "UNKNOWN"}:
                        wrong.append(f"{mode}: {one['ref']} {one['status']}")
            memory[mode] = _resident(home)
    steps = [(mode, after - before) for (_, before), (mode, after) in pairwise(memory.items())]
    hungriest, most = max(steps, key=itemgetter(1))
    shown = f" ({'; '.join(wrong[:3])})" if wrong else ""
    return Kept(
        f"{len(modes)} ways to fail x {len(SERVICES)} services, singly and in bulk:"
        f" {sum(verdicts.values())} verdicts, {verdicts['UNKNOWN']} UNKNOWN,"
        f" {len(wrong)} wrong{shown}, {errors} failed requests,"
        f" memory {sum(step for _, step in steps) / 1e6:+.0f} MB"
        f" (most at once: {hungriest} {most / 1e6:+.0f})",
        not wrong and not errors and bool(verdicts),
    )


def _resident(home: House) -> int:
    return max(one.resident_bytes() for one in home.gateways)


def _answered(answer: bytes) -> list[dict[str, Any]] | None:
    try:
        return results(answer)
    except ValueError:
        return None


def close_breakers(home: House) -> None:
    """Tell all processes that every service works again, as one does whose probe was answered."""
    states = ("", *{one.value[:2] for one in SANDBOX_INPUTS if one.service == "vies"})
    for name in SERVICES:
        for bulk in (False, True):
            for partition in states if name == "vies" else ("",):
                scope = {"account": f"{name}@sandbox", "bulk": bulk, "partition": partition}
                note = orjson.dumps({"by": "the scoreboard", "scope": scope}).decode()
                heard = home.store.command(f"PUBLISH breakers:told '{note}'")
                assert heard == f":{len(home.gateways)}", heard


FAULTS: Mapping[str, Promise] = {
    "R8 faults": Promise(
        "No fault of a service decides about a value: the true verdict or UNKNOWN",
        no_verdict_from_a_fault,
    ),
}

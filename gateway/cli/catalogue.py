"""Kinds and providers as tables."""

from typing import Any

from gateway.cli.tables import show_table, stdout_console


def show_kinds(found: list[dict[str, Any]]) -> None:
    """Show the checks of all kinds."""
    rows = [
        (one["name"], check["name"], _made(check), check["description"])
        for one in found
        for check in one["checks"]
    ]
    show_table(stdout_console(), ("KIND", "CHECK", "MADE BY", "WHAT IT ASKS"), rows)


def show_kind(kind: dict[str, Any]) -> None:
    """Show one kind, and the values that the sandbox knows of it."""
    console = stdout_console()
    console.print(kind["description"], markup=False)
    console.print(f"VALID means: {kind['meaning']}\n", markup=False)
    rows = [
        (check["name"], _made(check), _in_policy(check), check["description"])
        for check in kind["checks"]
    ]
    show_table(console, ("CHECK", "MADE BY", "IN POLICY", "WHAT IT ASKS"), rows)
    if kind["sandboxInputs"]:
        console.print("\nValues to try in the sandbox:")
        inputs = [(one["value"], one["service"], one["meaning"]) for one in kind["sandboxInputs"]]
        show_table(console, ("VALUE", "SERVICE", "WHAT IT SAYS"), inputs)


def _made(check: dict[str, Any]) -> str:
    return "here" if check["local"] else ", ".join(check["providers"]) or "nobody"


def _in_policy(check: dict[str, Any]) -> str:
    if check["inPolicy"]:
        return "once configured" if check["optional"] else "yes"
    return "no"


def show_providers(found: list[dict[str, Any]]) -> None:
    """Show providers, one a line."""
    columns = ["PROVIDER", "ANSWERS", "STATE", "LIMITS LEFT", "AT ONCE", "A CALL", "PRICE"]
    numbers = ["A CALL", "PRICE", "CALLS TODAY", "COST TODAY", "P50 MS", "P95 MS"]
    rows = [
        [
            one["name"],
            f"{one['kind']}.{one['check']}",
            one["state"],
            _limits(one),
            _at_once(one),
            one["valuesPerCall"],
            one["price"],
        ]
        for one in found
    ]
    if any(one["callsToday"] for one in found):
        columns += ["CALLS TODAY", "COST TODAY", "FAILED TODAY", "P50 MS", "P95 MS"]
        for row, one in zip(rows, found, strict=True):
            latencies = (one["latencyP50Ms"], one["latencyP95Ms"])
            row += [one["callsToday"], one["costToday"], _failed(one)]
            row += ["-" if latency is None else f"{latency:.0f}" for latency in latencies]
    console = stdout_console()
    show_table(console, columns, rows, numbers=numbers)
    for one in found:
        for breaker in one["openBreakers"]:
            console.print(_breaker(one["name"], breaker), markup=False)


def _at_once(provider: dict[str, Any]) -> str:
    """Return calls in flight, and how many there may be: here, by the configuration, in all."""
    now, most = provider["inFlightLimit"], provider["concurrency"]
    told = f"{provider['inFlight']} of {now}" + (f" (of {most})" if now < most else "")
    everywhere = provider["slotsInUse"] or 0
    return f"{told}, {everywhere} in all" if everywhere > provider["inFlight"] else told


def _failed(provider: dict[str, Any]) -> str:
    """Return the failures of today by reason, each with its share of the calls."""
    told = [
        f"{failure['count']} {failure['code']}"
        + ("" if failure["share"] is None else f" ({failure['share']:.0%})")
        for failure in provider["failures"]
    ]
    return ", ".join(told) or "0"


def _breaker(provider: str, breaker: dict[str, Any]) -> str:
    """Return one line about a breaker that is not closed."""
    part = f" for {breaker['partition']}" if breaker["partition"] else ""
    calls = "bulk calls" if breaker["bulk"] else "calls"
    since, until = (breaker[name][11:19] for name in ("since", "until"))
    state = breaker["state"].lower().replace("_", " ")
    told = f"the breaker of its {calls}{part} is {state} since {since}, until {until} (UTC)"
    return f"{provider}: {told}: {breaker['reason']}"


def _limits(provider: dict[str, Any]) -> str:
    windows = provider["windows"]
    if windows is None:
        return "not known: Valkey is away"
    told = [
        f"{window['left']} of {window['rate']}{' (bulk)' if window['bulk'] else ''}"
        for window in windows
    ]
    if provider["pausedForMs"]:
        why = f" ({provider['pausedBecause']})" if provider["pausedBecause"] else ""
        told.append(f"paused for {provider['pausedForMs'] / 1000:.0f} s{why}")
    if (provider["rateShare"] or 1) < 1:
        told.append(f"at {provider['rateShare']:.0%} of its rate")
    return ", ".join(told) or "none"

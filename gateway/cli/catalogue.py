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
    numbers = ["AT ONCE", "A CALL", "PRICE", "CALLS", "FAILED", "P95 MS"]
    rows = [
        [
            one["name"],
            f"{one['kind']}.{one['check']}",
            one["state"],
            _limits(one),
            _slots(one),
            one["valuesPerCall"],
            one["price"],
        ]
        for one in found
    ]
    if any(one["calls"] for one in found):
        columns += ["CALLS", "FAILED", "P95 MS"]
        for row, one in zip(rows, found, strict=True):
            latency = one["latencyP95Ms"]
            failed = sum(failure["count"] for failure in one["failures"])
            row += [one["calls"], failed, "-" if latency is None else f"{latency:.0f}"]
    show_table(stdout_console(), columns, rows, numbers=numbers)


def _slots(provider: dict[str, Any]) -> str:
    used, bound = provider["slotsInUse"], provider["concurrency"]
    return f"{used} of {bound}" if used else str(bound)


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

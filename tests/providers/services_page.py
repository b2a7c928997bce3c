"""The tables of docs/services.md: `python -m tests.providers.services_page` renews them.

Everything between a pair of marks on the page is replaced; the rest is written by hand.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from providers.catalogue import SERVICES
from providers.errors import Fault
from providers.exchange import Service
from providers.services import companies_house, gleif, twilio_lookup, zerobounce
from sandbox.faults import MODES
from tests.providers.fault_outcomes import IN_BULK, SINGLY
from verdicts.reason import ReasonCode

PAGE = Path(__file__).resolve().parents[2] / "docs" / "services.md"
BEGIN, END = "<!-- {name}: made from the code -->", "<!-- /{name} -->"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head)]
    lines += [["---"] * len(lines[0]), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def services_table() -> str:
    head = ("service", "kind", "check", "credentials", "limits", "at once", "in one call")
    return table(head, map(_service, SERVICES))


def _service(service: Service) -> list[str]:
    defaults = service.DEFAULTS
    rates = ", ".join(defaults.rates) or "none published"
    bulk = f"{defaults.bulk}" if defaults.bulk > 1 else "1"
    if defaults.bulk > 1:
        bulk += f", from {defaults.bulk_from} values on"
        bulk += f" ({', '.join(defaults.bulk_rates)})" if defaults.bulk_rates else ""
    secrets = ", ".join(f"`{name}`" for name in service.SECRETS) or "none"
    names = [f"`{service.NAME}`", service.KIND, service.CHECK, secrets]
    return [*names, rates, str(defaults.concurrency), bulk]


def faults_table(service: Service) -> str:
    head = ("answer", "reason", "sent again", "ask later", "charged", "pause", "and then")
    said: Mapping[str | int, Fault] = getattr(service, "FAULTS", {})
    statuses: Mapping[int, Fault] = getattr(service, "STATUSES", {})
    rows = [(f"`{word}`", fault) for word, fault in said.items()]
    rows += [(f"HTTP {status}", fault) for status, fault in sorted(statuses.items())]
    return table(head, (_fault(name, fault) for name, fault in rows))


def _fault(name: str, fault: Fault) -> list[str]:
    again = "yes" if fault.again else "no"
    if fault.again and fault.charged:
        again = "only what is free"
    pause = f"{fault.pause_s:g} s" if fault.pause_s else ""
    retryable, charged = ("yes" if one else "no" for one in (fault.retryable, fault.charged))
    then = "the breaker opens" if fault.opens else "fewer at once" if _is_crowded(fault) else ""
    return [name, fault.code.value, again, retryable, charged, pause, then]


def _is_crowded(fault: Fault) -> bool:
    return fault.crowded or fault.code is ReasonCode.RATE_LIMITED


def outcomes_table() -> str:
    """Return what becomes of a value whose answer fails in one of the sandbox's ways."""
    head = ("fault", "what comes back", "asked alone", "asked in bulk")
    rows = [
        (f"`{mode}`", MODES[mode][0].replace("|", "\\|"), SINGLY[mode], IN_BULK[mode])
        for mode in SINGLY
    ]
    return table(head, rows)


def readings() -> dict[str, str]:
    def why(code: ReasonCode | None) -> str:
        return code.value if code else ""

    companies = [
        (f"`{word}`", conclusion.value, why(code))
        for word, (conclusion, code) in companies_house.COMPANIES.items()
    ]
    leis = [
        (f"registration `{word}`", conclusion.value, why(code))
        for word, (conclusion, code) in gleif.REGISTRATIONS.items()
    ]
    leis += [
        (f"entity `{word}`", "REFUTED" if code else "as the registration", why(code))
        for word, code in gleif.ENTITIES.items()
    ]
    mailboxes = [
        (
            f"`{status}`" + (f" `{sub}`" if sub else ""),
            zerobounce.CONCLUSIONS[status].value,
            why(code),
        )
        for status, subs in zerobounce.REASONS.items()
        for sub, code in subs.items()
    ]
    phones = [(f"`{word}`", "REFUTED", code.value) for word, code in twilio_lookup.INVALID.items()]
    head = ("answer", "conclusion", "reason")
    rows = {"companies_house": companies, "gleif": leis}
    rows |= {"zerobounce": mailboxes, "twilio_lookup": phones}
    return {f"{name} readings": table(head, told) for name, told in rows.items()}


def tables() -> dict[str, str]:
    """Return every table of the page by the name in its marks."""
    faults = {f"{service.NAME} faults": faults_table(service) for service in SERVICES}
    return {"services": services_table(), "outcomes": outcomes_table(), **readings(), **faults}


def filled(page: str) -> str:
    """Return `page` with every table as the code has it."""
    for name, made in tables().items():
        begin, end = BEGIN.format(name=name), END.format(name=name)
        before, mark, rest = page.partition(begin)
        _, closing, after = rest.partition(end)
        if not (mark and closing):
            raise ValueError(f"docs/services.md has no place for {name!r}; write {begin} {end}")
        page = f"{before}{begin}\n{made}\n{end}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))

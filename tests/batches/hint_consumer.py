"""A consumer of hints as a process of its own: it takes what it is given and never ends it."""

import asyncio
import sys

from batches.broker import HintBroker
from batches.hints import Hints


async def consume(url: str, slots: int, lease_s: float) -> None:
    """Say which chunks came in, a line each, and work on them for ever."""

    async def begin(_batch: str, seq: int) -> None:
        sys.stdout.write(f"{seq}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()

    hints = Hints(HintBroker(url, slots, lease_s), slots, begin)
    hints.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(consume(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))

"""A process that tells webhooks, to be killed: `python -m tests.batches.webhook_process DB`."""

import asyncio
import sys
from pathlib import Path

from batches.opening import open_store
from batches.settings import StoreSettings
from batches.webhooks import Signer, Webhooks
from providers.egress import Gate
from providers.transport import Transport
from tests.batches.hooked import SECRET


async def main(path: Path) -> None:
    store = await open_store(StoreSettings(), path)
    gate = Gate(local=True)
    await Webhooks(store, Transport(gate), gate, Signer(SECRET)).run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

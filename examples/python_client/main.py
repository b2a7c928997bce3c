"""Two records validated at once, then as a batch, with the client that ariadne-codegen made."""

import asyncio
import os
import sys
from typing import cast

import httpx
from assay_client import (
    AssayClient,
    CreateBatchInput,
    GraphQLClientGraphQLMultiError,
    GraphQLClientHttpError,
    RecordInput,
)

RECORDS = [
    RecordInput(ref="1", email="Valid@Example.com"),
    RecordInput(ref="2", email="no@where@example.com"),
]


def connected() -> AssayClient:
    """Return the client, which shows the key over HTTP and over a WebSocket."""
    url = os.environ["ASSAY_URL"] + "/graphql"
    key = {"Authorization": "Bearer " + os.environ["ASSAY_API_KEY"]}
    return AssayClient(
        url,
        headers=key,
        ws_url=url.replace("http", "ws", 1),
        ws_connection_init_payload=key,
    )


async def validate(client: AssayClient) -> None:
    """Wait for the verdicts."""
    # an answer may take 10 s, unless `deadlineMs` says less; httpx alone would give up after 5
    answer = await client.validate(RECORDS, timeout=30)
    for result in answer.results:
        assert result.email
        reasons = [reason.code.value for reason in result.email.reasons]
        print(result.ref, result.status.value, result.email.normalized or "-", *reasons)


async def batch(client: AssayClient) -> None:
    """Leave the records to Assay, follow how far it is, and fetch what it found."""
    # who sends this again with the same key gets the same batch
    wanted = CreateBatchInput(records=RECORDS, start=True, idempotency_key="first-steps")
    made = await client.create_batch(wanted)
    if made.batch is None or made.errors:
        sys.exit(f"{made.errors[0].code.value}: {made.errors[0].message}")

    state = None
    async for status in client.follow_batch(made.batch.id):
        state = status.state.value
        print(status.records_done, "of", status.records, file=sys.stderr)
    print("batch", state)

    after, more = None, True
    while more and (found := await client.results(made.batch.id, after)):
        for result in found.results.nodes:
            print(result.ref, result.status.value)
        after = found.results.page_info.end_cursor
        more = found.results.page_info.has_next_page


async def main() -> None:
    """Do both; a refusal ends the program with its code."""
    try:
        async with connected() as client:
            await validate(client)
            await batch(client)
    except GraphQLClientHttpError as error:
        said = cast("httpx.Response", error.response).json()
        sys.exit(said["errors"][0]["extensions"]["code"])
    except GraphQLClientGraphQLMultiError as error:
        sys.exit(str((error.errors[0].extensions or {}).get("code")))


if __name__ == "__main__":
    asyncio.run(main())

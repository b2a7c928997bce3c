"""A moment that UTC does not have is refused where it comes in: kept, no page could show it."""

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.promises.guarded import Guarded, guarded

NOT_IN_UTC = ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "9999-12-31T24:00:00Z"]
IN_UTC = {
    "0001-01-01T00:00:00Z": "0001-01-01T00:00:00+00:00",
    "9999-12-31T23:59:59.9999Z": "9999-12-31T23:59:59.999000+00:00",
    "2030-01-01T00:00:00": "2030-01-01T00:00:00+00:00",
    "2030-01-01T00:00:00.001+02:00": "2029-12-31T22:00:00.001000+00:00",
}
CREATE = """mutation ($moment: DateTime) { createBatch(input: {startAfter: $moment}) {
  batch { id startAfter } } }"""
CHANGE = """mutation ($moment: DateTime, $id: ID!) {
  changeBatch(batchId: $id, input: {startAfter: $moment}) { batch { startAfter } } }"""
KEY = """mutation ($moment: DateTime) {
  createKey(input: {name: "late", scopes: [VALIDATE], expiresAt: $moment}) {
    key { expiresAt } } }"""
ALL = "{ batches { nodes { startAfter } } keys { expiresAt } }"


@pytest.fixture
async def house(tmp_path: Path, valkey_url: str) -> AsyncGenerator[Guarded]:
    async with guarded(tmp_path, valkey_url) as found:
        yield found


async def asked(house: Guarded, key: str, query: str, **variables: object) -> Any:  # noqa: ANN401, JSON
    _, answer = await house.post(key, query, variables)
    return answer


async def test_a_moment_that_utc_does_not_have_is_refused(house: Guarded) -> None:
    key = await house.key()
    made = await asked(house, key, CREATE, moment=None)
    id_ = made["data"]["createBatch"]["batch"]["id"]
    for moment in NOT_IN_UTC:
        for query in (CREATE, CHANGE, KEY):
            for said in (query, query.replace("$moment: DateTime", "$moment: DateTime = null")):
                found = await asked(house, key, said, moment=moment, id=id_)
                (error,) = found["errors"]
                assert error["extensions"]["code"] == "BAD_USER_INPUT", (moment, query)
                assert "years 1 to 9999" in error["message"]
                assert moment not in error["message"]
    kept = (await asked(house, key, ALL))["data"]
    assert kept["batches"]["nodes"] == [{"startAfter": None}]
    assert all(one == {"expiresAt": None} for one in kept["keys"])


async def test_every_other_moment_is_kept_in_utc(house: Guarded) -> None:
    key = await house.key()
    for moment, kept in IN_UTC.items():
        made = await asked(house, key, CREATE, moment=moment)
        batch = made["data"]["createBatch"]["batch"]
        changed = await asked(house, key, CHANGE, moment=moment, id=batch["id"])
        assert same(batch["startAfter"], kept)
        assert same(changed["data"]["changeBatch"]["batch"]["startAfter"], kept)
    listed = (await asked(house, key, ALL))["data"]["batches"]["nodes"]
    shown = sorted(one["startAfter"] for one in listed)
    kept_all = zip(shown, sorted(IN_UTC.values()), strict=True)
    assert all(same(one, kept) for one, kept in kept_all)


def same(one: str, other: str) -> bool:
    """Say whether it is one moment, to the millisecond that a table keeps."""
    apart = datetime.fromisoformat(one) - datetime.fromisoformat(other)
    return abs(apart) < timedelta(milliseconds=1)

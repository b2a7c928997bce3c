"""The client of the shared store: errors of one sort, in bounded time, and back by itself."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.valkey import AWAY_S, StoreAway, Valkey
from tests.valkey_process import ask_valkey

TIMEOUT_S = 0.3
COUNT = """
redis.call('INCR', KEYS[1])
return {KEYS[1], ARGV[1], redis.call('GET', KEYS[1])}
"""


async def drained(messages: AsyncIterator[bytes]) -> None:
    """Read what was sent before the end, and the end."""
    async for _ in messages:
        pass


async def test_commands_and_scripts_answer(valkey_url: str) -> None:
    valkey = Valkey(valkey_url, TIMEOUT_S)
    await valkey.ping()
    script = valkey.script(COUNT)
    odd = b"\x00\xff a b\r\n"
    assert await script([odd], [odd]) == [odd, odd, b"1"]
    assert await script([odd], [2]) == [odd, b"2", b"2"]
    await valkey.close()


async def test_a_script_that_the_server_forgot_is_loaded_again(valkey_url: str) -> None:
    """After a restart or a failover; and however many ask at once."""
    valkey = Valkey(valkey_url, TIMEOUT_S)
    script = valkey.script(COUNT)
    await script(["a"], [1])
    ask_valkey(valkey_url, "SCRIPT FLUSH")
    answers = await asyncio.gather(*(script(["a"], [at]) for at in range(20)))
    assert {int(str(one[2], "ascii")) for one in answers if isinstance(one, list)} == {  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        *range(2, 22)
    }
    await valkey.close()


@pytest.mark.parametrize("url", ["unix:///nonexistent/valkey.sock", "redis://127.0.0.1:1/0"])
async def test_a_server_that_is_away_is_told_at_once_and_not_tried_for_each(url: str) -> None:
    valkey = Valkey(url, TIMEOUT_S)
    loop = asyncio.get_running_loop()
    with pytest.raises(StoreAway):
        await valkey.ping()
    tries = {"the shared store is away": 0}
    ends = loop.time() + AWAY_S
    while loop.time() < ends:
        with pytest.raises(StoreAway) as told:
            await valkey.ping()
        tries[str(told.value)] = tries.get(str(told.value), 0) + 1
        await asyncio.sleep(0.001)
    at_once = tries.pop("the shared store is away")
    # it is looked for again after 0.05 s, then ever less often
    assert 1 <= sum(tries.values()) <= 5
    assert at_once > sum(tries.values())
    with pytest.raises(StoreAway):
        await anext(valkey.listen("channel"))
    await valkey.close()


async def test_a_silent_server_costs_its_patience_once() -> None:
    """It takes the connection and never answers."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    valkey = Valkey(f"redis://127.0.0.1:{port}/0", TIMEOUT_S)
    loop = asyncio.get_running_loop()
    started = loop.time()
    answers = await asyncio.gather(*(valkey.ping() for _ in range(50)), return_exceptions=True)
    assert all(isinstance(one, StoreAway) for one in answers)
    assert loop.time() - started < 8 * TIMEOUT_S
    await valkey.close()
    server.close()
    await server.wait_closed()


async def test_it_is_back_by_itself(valkey_url: str) -> None:
    valkey = Valkey(valkey_url, TIMEOUT_S)
    await valkey.ping()
    ask_valkey(valkey_url, "CLIENT PAUSE 700 ALL")
    with pytest.raises(StoreAway):
        await valkey.ping()
    async with asyncio.timeout(10):
        while True:
            try:
                await valkey.ping()
                break
            except StoreAway:
                await asyncio.sleep(0.05)
    await valkey.close()


async def test_what_the_server_refuses_is_an_error_and_not_an_absence(valkey_url: str) -> None:
    valkey = Valkey(valkey_url, TIMEOUT_S)
    await valkey.run("SET", "text", "x")
    with pytest.raises(StoreAway, match="WRONGTYPE"):
        await valkey.run("LPUSH", "text", "y")
    await valkey.ping()  # the next command goes on as ever
    await valkey.close()


async def test_messages_arrive_until_the_connection_ends(valkey_url: str) -> None:
    valkey = Valkey(valkey_url, TIMEOUT_S)
    messages = valkey.listen("channel")
    first = asyncio.ensure_future(anext(messages))
    async with asyncio.timeout(5):
        while not first.done():
            await valkey.run("PUBLISH", "channel", b"\x00\xff")
            await asyncio.sleep(0.01)
        assert await first == b"\x00\xff"
        await valkey.run("CLIENT", "KILL", "TYPE", "pubsub")
        with pytest.raises(StoreAway):
            await drained(messages)
    await valkey.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "valkey", "", "redis://u:sesame/@here/0"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="redis") as refusal:
        Valkey(url, TIMEOUT_S)
    assert "sesame" not in str(refusal.value)

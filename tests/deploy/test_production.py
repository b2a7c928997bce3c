"""Nginx before gunicorn before a stand-in: what starts, reloads, restarts and stops lose."""

import asyncio
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import aiohttp
import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.deploy.gunicorn_process import GUNICORN, ROOT, Gunicorn, running_gunicorn
from tests.deploy.load import ask, load_on
from tests.deploy.nginx_process import SERVER_NAME, Nginx, running_nginx
from tests.valkey_process import ask_valkey
from tests.waiting import WAIT_S, eventually_async, is_gone

STOP_MAX_S = 10.0
"""Far below the patience of gunicorn, which would kill."""


def children(gunicorn: Gunicorn) -> list[psutil.Process]:
    return psutil.Process(gunicorn.process.pid).children(recursive=True)


def start_in_vain(**environment: str) -> str:
    refused = subprocess.run(
        [GUNICORN, "-c", "gunicorn.conf.py"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
    )
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    return refused.stderr


async def answer(session: aiohttp.ClientSession, nginx: Nginx, path: str) -> tuple[int, str]:
    async with ask(session, nginx, path) as response:
        return response.status, await response.text()


async def test_a_reload_under_load_loses_no_request() -> None:
    with running_gunicorn() as (gunicorn, path), running_nginx(path) as nginx:
        async with load_on(nginx) as load:
            await load.answers(200)
            first = set(load.workers)
            gunicorn.process.send_signal(signal.SIGHUP)
            assert await eventually_async(lambda: gunicorn.log().count("was sent SIGTERM") == 2)
            load.workers.clear()
            await load.answers(200)
            assert not load.failed
            assert len(load.workers) == 2
            assert not first & set(load.workers)
        assert not load.failed


async def test_a_restart_under_load_loses_no_request() -> None:
    """The socket is systemd's, so requests wait in its queue for the next gunicorn."""
    with running_gunicorn() as (gunicorn, path), running_nginx(path) as nginx:
        async with load_on(nginx) as load:
            await load.answers(200)
            assert await asyncio.to_thread(gunicorn.stop) == 0
            gunicorn.start()
            await load.answers(200)
        assert not load.failed


async def test_a_stop_answers_what_is_in_flight_and_tells_websockets_to_come_again() -> None:
    with running_gunicorn() as (gunicorn, path), running_nginx(path) as nginx:
        url = f"wss://{SERVER_NAME}:{nginx.https_port}/graphql"
        async with (
            aiohttp.ClientSession() as session,
            connect(url, host="127.0.0.1", port=nginx.https_port, ssl=nginx.tls) as client,
        ):
            assert await client.recv() == "hello"
            asked = [
                asyncio.create_task(answer(session, nginx, "/graphql?after_s=2")) for _ in range(20)
            ]
            await asyncio.wait(asked, timeout=0.7)  # until all have arrived; none is answered
            started = time.monotonic()
            stopping = asyncio.create_task(asyncio.to_thread(gunicorn.stop))
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
            assert {status for status, _ in await asyncio.gather(*asked)} == {200}
            assert await stopping == 0
            assert time.monotonic() - started < STOP_MAX_S


async def test_a_stopping_worker_says_that_it_is_not_ready_and_still_answers() -> None:
    with (
        running_gunicorn({"ASSAY_DRAIN_S": "3"}) as (gunicorn, path),
        running_nginx(path) as nginx,
    ):
        async with aiohttp.ClientSession() as session:
            assert (await answer(session, nginx, "/readyz"))[0] == 200
            stopping = asyncio.create_task(asyncio.to_thread(gunicorn.stop))
            status, body = 200, ""
            async with asyncio.timeout(WAIT_S):
                while status == 200:
                    status, body = await answer(session, nginx, "/readyz")
            assert status == 503
            assert json.loads(body)["reason"] == "this worker is stopping"
            assert (await answer(session, nginx, "/graphql"))[0] == 200
            assert await stopping == 0


async def test_workers_share_one_private_valkey_which_no_other_master_gets() -> None:
    with running_gunicorn() as (gunicorn, path), running_nginx(path) as nginx:
        async with aiohttp.ClientSession() as session:
            seen = [json.loads((await answer(session, nginx, "/graphql"))[1]) for _ in range(20)]
        urls = {found["redis"] for found in seen}
        assert len(urls) == 1
        assert ask_valkey(urls.pop(), "PING") == "+PONG"
        said = start_in_vain(ASSAY_GATEWAY__DATA_DIR=str(path.parent / "data"))
        assert f"in use by process {gunicorn.process.pid}" in said
        processes = children(gunicorn)
        assert sum("valkey-server" in process.name() for process in processes) == 1
        assert gunicorn.stop() == 0
        assert all(is_gone(process) for process in processes)


async def test_nothing_outlives_a_killed_master() -> None:
    with running_gunicorn() as (gunicorn, _):
        processes = children(gunicorn)
        assert len(processes) >= 4
        gunicorn.process.kill()
        gunicorn.process.wait()
        assert await eventually_async(lambda: all(is_gone(process) for process in processes))


@pytest.mark.parametrize("variable", ["ASSAY_WORKERS", "ASSAY_DRAIN_S"])
def test_a_number_that_is_none_is_named_before_anything_starts(variable: str) -> None:
    assert f"variable {variable}: " in start_in_vain(**{variable: "many"})


def test_a_mistake_in_the_configuration_is_named_before_anything_starts(tmp_path: Path) -> None:
    config = tmp_path / "assay.toml"
    config.write_text("[gateway]\nport = 70000\n")
    said = start_in_vain(ASSAY_CONFIG=str(config))
    assert f"{config}, line 2: gateway.port" in said


def test_nobody_gets_in_through_a_proxy_without_a_key(tmp_path: Path) -> None:
    """A Unix socket is there for a proxy, which others reach."""
    for bind in (f"unix:{tmp_path / 'assay.sock'}", "0.0.0.0:0"):
        told = start_in_vain(ASSAY_BIND=bind, ASSAY_GATEWAY__DATA_DIR=str(tmp_path))
        assert "there is no key to keep them out" in told
        assert "assay keys create" in told

import json
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.gateway.cli.program import COMMAND, Serving, environment, serving, wait_until


def ask(url: str, document: str) -> dict[str, object]:
    body = json.dumps({"query": document}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.loads(answer.read())["data"]


def gone(processes: list[psutil.Process]) -> bool:
    return not any(
        process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes
    )


def test_it_says_where_graphiql_is_and_who_answers(gateway: Serving) -> None:
    assert gateway.url in gateway.said
    assert "answered by the sandbox: companies_house, dns, gleif" in gateway.said
    found = ask(gateway.url, "{ kinds { name } }")
    assert {"name": "email"} in found["kinds"]  # pyright: ignore[reportOperatorIssue]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_everything_that_it_started(
    number: signal.Signals, tmp_path: Path
) -> None:
    with serving(tmp_path, "--sandbox") as running:
        family = running.family()
        assert len(family) >= 2, "Valkey and the sandbox"
        assert running.stop(number) == 0
        wait_until(lambda: gone(family))


def test_kill_9_leaves_no_orphans(tmp_path: Path) -> None:
    with serving(tmp_path, "--sandbox") as running:
        family = running.family()
        running.process.kill()
        wait_until(lambda: gone(family))


def test_ctrl_c_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    command = [*COMMAND, "serve", "--sandbox", "--port", "0", "--data-dir", str(tmp_path)]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        family: list[psutil.Process] = []

        def started() -> bool:
            family[:] = psutil.Process(process.pid).children(recursive=True)
            return bool(family)

        wait_until(started)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0, said
        assert b"Traceback" not in said
        wait_until(lambda: gone(family))


def test_it_goes_with_its_parent_when_asked_to(tmp_path: Path) -> None:
    """The demo's server ends even when the demo is killed."""
    config = tmp_path / "assay.toml"
    config.touch()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [*COMMAND, "serve", "--with-parent", "--port", str(port), "--data-dir", str(tmp_path)]
    with subprocess.Popen(
        ["sh", "-c", '"$@" & wait', "sh", *command],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        assert b"ready" in parent.stdout.readline()
        family = psutil.Process(parent.pid).children(recursive=True)
        parent.kill()
        wait_until(lambda: gone(family))

"""What the systemd units, gunicorn and nginx must agree on, and how closed the service is."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from batches import steady
from batches.settings import UploadSettings
from gateway import private_valkey, worker
from gateway.settings import STOP_S_MAX, GatewaySettings
from providers.catalogue import SERVICES
from questions import desk
from tests.deploy.gunicorn_process import ROOT
from tests.deploy.nginx_process import TEMPLATE

EXPOSURE_MAX = 2.0
UNIT = ROOT / "deploy" / "assay.service"
WORKER = ROOT / "deploy" / "assay-worker.service"


def number(text: str, pattern: str) -> float:
    found = re.search(pattern, text, re.MULTILINE)
    assert found, pattern
    return float(found[1])


def test_every_patience_is_longer_than_the_one_inside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else somebody is killed by the next one out while still stopping as it should."""
    conf = (ROOT / "gunicorn.conf.py").read_text()
    assert "\ngraceful_timeout = ceil(stop_time_s(_settings.gateway.stop_s))\n" in conf
    monkeypatch.setenv("ASSAY_DRAIN_S", str(worker.DRAIN_MAX_S))
    longest_s = worker.stop_time_s(STOP_S_MAX)
    assert longest_s > worker.DRAIN_MAX_S + worker.ACCEPTED_WAIT_S + worker.GRACEFUL_S + STOP_S_MAX
    assert longest_s + private_valkey.STOP_WAIT_S < number(
        UNIT.read_text(), r"^TimeoutStopSec=(\d+)"
    )
    assert desk.GRACE_S < GatewaySettings().stop_s <= STOP_S_MAX
    assert max(service.DEFAULTS.timeout_s for service in SERVICES) < GatewaySettings().stop_s


def test_nginx_admits_what_the_app_admits() -> None:
    template = TEMPLATE.read_text()
    settings = GatewaySettings()
    assert number(template, r"client_max_body_size (\d+)m;") * 2**20 == settings.body_bytes_max
    file_bytes = number(template, r"client_max_body_size (\d+)g;") * 2**30
    assert 0 <= file_bytes - UploadSettings().bytes_max < 2 * 2**30
    assert number(template, r"proxy_read_timeout (\d+)s;") > settings.deadline_ms / 1000


def test_socket_and_service_name_one_path() -> None:
    listens = (ROOT / "deploy" / "assay.socket").read_text()
    assert "ListenStream=/run/assay.sock" in listens
    assert "ASSAY_BIND=unix:/run/assay.sock" in UNIT.read_text()


@pytest.mark.parametrize("unit", [UNIT, WORKER], ids=lambda unit: unit.name)
def test_the_service_is_closed(unit: Path) -> None:
    """At most 2.0 of 10 by systemd's own count, where systemd is there to count."""
    text = unit.read_text()
    for line in ("NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict"):
        assert f"\n{line}\n" in text
    if analyze := shutil.which("systemd-analyze"):
        said = subprocess.run(
            [analyze, "security", "--offline=true", "--no-pager", unit],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        assert number(said, rf"exposure level for {unit.name}: ([\d.]+)") <= EXPOSURE_MAX


def test_both_services_are_closed_alike_and_use_one_configuration() -> None:
    closed = [unit.read_text().partition("LimitNOFILE")[2] for unit in (UNIT, WORKER)]
    assert closed[0] == closed[1]
    assert closed[0]
    shared = ("User=", "Group=", "WorkingDirectory=", "StateDirectory", "EnvironmentFile=")
    shared += ("Environment=ASSAY_CONFIG=", "Environment=ASSAY_GATEWAY__DATA_DIR=")
    said = [
        [line for line in unit.read_text().splitlines() if line.startswith(shared)]
        for unit in (UNIT, WORKER)
    ]
    assert said[0] == said[1]
    assert len(said[0]) == len(shared) + 1


def test_a_worker_has_the_time_that_its_stop_may_take() -> None:
    text = WORKER.read_text()
    assert number(text, r"^TimeoutStopSec=(\d+)") > STOP_S_MAX + desk.GRACE_S + steady.CLOSE_S
    assert "ExecStart=/opt/assay/.venv/bin/assay worker\n" in text

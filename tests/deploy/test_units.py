"""What the systemd units, gunicorn and nginx must agree on, and how closed the service is."""

import re
import shutil
import subprocess

import pytest

from batches.settings import UploadSettings
from gateway import private_valkey, worker
from gateway.settings import STOP_S_MAX, GatewaySettings
from providers.catalogue import SERVICES
from questions import desk
from tests.deploy.gunicorn_process import ROOT
from tests.deploy.nginx_process import TEMPLATE

EXPOSURE_MAX = 2.0
UNIT = ROOT / "deploy" / "assay.service"


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


def test_the_service_is_closed() -> None:
    """At most 2.0 of 10 by systemd's own count, where systemd is there to count."""
    unit = UNIT.read_text()
    for line in ("NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict"):
        assert f"\n{line}\n" in unit
    if analyze := shutil.which("systemd-analyze"):
        said = subprocess.run(
            [analyze, "security", "--offline=true", "--no-pager", UNIT],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        assert number(said, r"exposure level for assay.service: ([\d.]+)") <= EXPOSURE_MAX

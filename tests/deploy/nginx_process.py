"""The real nginx with the real template, on free ports and with a certificate of its own."""

import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path

import trustme

TEMPLATE = Path(__file__).parents[2] / "deploy" / "nginx.conf.template"
SERVER_NAME = "assay.test"
START_WAIT_S = 10.0
STOP_WAIT_S = 10.0


@dataclass(frozen=True)
class Nginx:
    """A running nginx: its ports, whom to trust, where it writes."""

    http_port: int
    https_port: int
    tls: ssl.SSLContext
    folder: Path

    def log(self, name: str) -> str:
        """Return what it wrote to the log `name`."""
        return (self.folder / name).read_text()


def render(values: dict[str, str]) -> str:
    """Fill the template in as envsubst does; a name without a value is a mistake."""
    return re.sub(r"\$\{([A-Z_]+)\}", lambda name: values[name[1]], TEMPLATE.read_text())


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


def nginx_binary() -> str:
    """Return nginx's path; without nginx the test fails and says how to get it."""
    found = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin:/usr/bin")
    assert found, "nginx is missing: `apt-get install nginx` (Debian) or `brew install nginx`"
    return found


@contextmanager
def running_nginx(upstream: Path, requests_per_s: int = 100_000) -> Generator[Nginx]:
    """Run nginx in front of the Unix socket `upstream`."""
    authority = trustme.CA()
    with tempfile.TemporaryDirectory(prefix="assay-nginx-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        certificate = authority.issue_cert(SERVER_NAME)
        certificate.private_key_pem.write_to_path(folder / "key.pem")
        for pem in certificate.cert_chain_pems:
            pem.write_to_path(folder / "chain.pem", append=True)
        http_port, https_port = free_ports(2)
        (folder / "nginx.conf").write_text(
            render(
                {
                    "SERVER_NAME": SERVER_NAME,
                    "CERTIFICATE": str(folder / "chain.pem"),
                    "CERTIFICATE_KEY": str(folder / "key.pem"),
                    "UPSTREAM": f"unix:{upstream}",
                    "HTTP_PORT": f"127.0.0.1:{http_port}",
                    "HTTPS_PORT": f"127.0.0.1:{https_port}",
                    "NGINX_USER": getuser(),
                    "STATE": str(folder),
                    "RUN": str(folder),
                    "LOGS": str(folder),
                    "REQUESTS_PER_S": str(requests_per_s),
                }
            )
        )
        tls = ssl.create_default_context()
        tls.load_verify_locations(cadata=authority.cert_pem.bytes().decode())
        nginx = Nginx(http_port, https_port, tls, folder)
        with (folder / "stderr.log").open("wb") as said:
            process = subprocess.Popen(
                [nginx_binary(), "-p", name, "-c", str(folder / "nginx.conf"), "-g", "daemon off;"],
                stderr=said,
            )
        try:
            await_port(https_port, process, folder)
            yield nginx
        finally:
            process.terminate()
            process.wait(STOP_WAIT_S)


def await_port(port: int, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    """Return when something listens at `port`."""
    deadline = time.monotonic() + START_WAIT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"nginx did not start: {(folder / 'stderr.log').read_text()}")

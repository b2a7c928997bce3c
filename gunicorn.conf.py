"""Assay in production: `gunicorn -c gunicorn.conf.py`, started in the folder of this file.

What Assay itself needs comes from `assay.toml` and `ASSAY_SECTION__KEY`; of the server there is
`ASSAY_BIND` (an address, or `unix:/path`), `ASSAY_WORKERS` and `ASSAY_DRAIN_S`.

The master reads the code and the tables, once; each worker makes an application of its own, from
the settings of that moment. Workers so share memory (54 MB of their own become 25) and start in a
fifth of a second. New code takes a restart; a reload reads the settings anew.
"""

import asyncio
import gc
import os
import sys
from math import ceil
from pathlib import Path

from gunicorn.arbiter import Arbiter

from batches.errors import StoreError
from checks.kinds import load
from gateway.app import create_app
from gateway.bind import NO_KEYS, bind_of, is_local
from gateway.doorkeeper import has_keys
from gateway.hash_key import hash_key
from gateway.private_valkey import PrivateValkey, PrivateValkeyError
from gateway.settings import ConfigurationError, load_settings
from gateway.worker import stop_time_s

WORKERS_DEFAULT = 2
URL_VARIABLE = "ASSAY_REDIS__URL"
KEY_VARIABLE = "ASSAY_CACHE__HASH_KEY"


def _number(name: str, default: int, least: int) -> int:
    """Return the whole number in the variable `name`; a mistake ends the start with a message."""
    text = os.environ.get(name, str(default))
    if text.isdecimal() and int(text) >= least:
        return int(text)
    sys.exit(
        f"Assay does not start:\nenvironment variable {name}: a whole number from {least} on is"
        f" expected, not {text!r}"
    )


try:
    _settings = load_settings()
    load()
except (ConfigurationError, FileNotFoundError) as error:
    sys.exit(f"Assay does not start:\n{error}")

wsgi_app = f"{create_app.__module__}:{create_app.__name__}()"  # called in each worker
worker_class = "gateway.worker.Worker"
workers = _number("ASSAY_WORKERS", WORKERS_DEFAULT, 1)
bind = bind_of(_settings)
backlog = 1024

# Who may say for whom a request is: nginx beside us. A Unix socket has no address to compare.
forwarded_allow_ips = "*" if bind.startswith("unix:") else "127.0.0.1,::1"

timeout = 60  # seconds without a sign of life until a worker is killed
# The patience of gateway.worker, which is below TimeoutStopSec in deploy/assay.service.
graceful_timeout = ceil(stop_time_s(_settings.gateway.stop_s))
keepalive = 5

errorlog = "-"
accesslog = None  # nginx has one, without query strings
loglevel = _settings.gateway.log_level.lower()

control_socket_disable = True  # it would listen in the home folder
MEMORY = Path("/dev/shm")  # noqa: S108 - gunicorn makes its own unnamed file there
worker_tmp_dir = str(MEMORY) if MEMORY.is_dir() else None  # a sign of life waits for no disk


def _guard() -> None:
    """End the start when there is no key; say nothing when the store can't tell now."""
    try:
        found = asyncio.run(has_keys(_settings))
    except (ConfigurationError, StoreError) as error:
        sys.exit(f"Assay does not start:\n{error}")
    if not found:
        sys.exit(f"Assay does not start:\n{bind}: {NO_KEYS}")


def on_starting(server: Arbiter) -> None:
    """Start the private Valkey in the master, when no other is configured, for all workers.

    Where others than this machine get in, somebody has to have a key first.
    """
    if not is_local(bind) and not _settings.access.open:
        _guard()
    if _settings.redis.url is not None:
        return
    valkey = PrivateValkey(_settings.gateway.data_dir)
    try:
        url = valkey.start()
    except PrivateValkeyError as error:
        sys.exit(f"Assay does not start:\n{error}")
    # The key too: for the workers this is a configured server like any other.
    os.environ |= {URL_VARIABLE: url, KEY_VARIABLE: hash_key(_settings).decode()}
    # On the arbiter, because a reload (SIGHUP) runs this file anew and forgets its variables.
    vars(server)["private_valkey"] = valkey


def when_ready(_: Arbiter) -> None:
    """Set aside what there is: a garbage collection in a worker would write to shared memory."""
    gc.collect()
    gc.freeze()


def on_exit(server: Arbiter) -> None:
    """Stop the private Valkey after the last worker."""
    valkey = vars(server).get("private_valkey")
    if isinstance(valkey, PrivateValkey):
        valkey.stop()

"""The key of the hashes under which outcomes are kept."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from gateway.private_valkey import running_instance
from gateway.settings import ConfigurationError, Settings

HASH_KEY_FILE = "hash.key"
HASH_KEY_BYTES = 32


def hash_key(settings: Settings) -> bytes:
    """Return the configured key; a private Valkey has one of its own, in a file beside it.

    Raises:
        ConfigurationError: a server that others may share is configured, and no key.
    """
    if settings.cache.hash_key is not None:
        return settings.cache.hash_key.get_secret_value().encode()
    private = running_instance(settings.gateway.data_dir)
    if settings.redis.url is not None and settings.redis.url != private:
        raise ConfigurationError(
            "cache.hash_key: needed with redis.url, the same for all who share the server; set"
            " ASSAY_CACHE__HASH_KEY to a secret of your own, for example the output of"
            " `openssl rand -hex 32`"
        )
    return _kept(settings.gateway.data_dir / HASH_KEY_FILE)


def _kept(path: Path) -> bytes:
    """Return the key in `path`; whoever comes first makes it, whole and readable by nobody else."""
    with tempfile.NamedTemporaryFile(dir=path.parent) as file:  # of mode 0600
        file.write(secrets.token_hex(HASH_KEY_BYTES).encode())
        file.flush()
        os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(file.name, path)
    return path.read_bytes()

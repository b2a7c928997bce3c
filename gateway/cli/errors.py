"""What a command says when it can't go on, and the exit statuses of them all."""

ALL_WELL = 0
SOMETHING_FAILED = 1
WRONG_USAGE = 2
INTERRUPTED = 130
"""As a shell reports a program that SIGINT ended."""


class CommandError(Exception):
    """The end of a command: a message that a person can act on, and the exit status."""

    def __init__(self, message: str, status: int = SOMETHING_FAILED) -> None:
        super().__init__(message)
        self.status = status


class InterruptedCommand(Exception):
    """The end of a command by Ctrl-C or SIGTERM, after it has cleaned up."""

"""Why a file as a whole can't be taken; what is wrong with single rows does not stop it."""


class SourceError(Exception):
    """A file that can't be read as records. `code` is for programs, the message says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

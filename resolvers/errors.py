"""What a client did wrong, told to it by name."""


class PublicError(Exception):
    """A message that a client may read, and a code that its program can act on."""

    def __init__(self, code: str, message: str) -> None:
        """`code` goes to `extensions.code`, `message` says what, where and what to do."""
        super().__init__(message)
        self.code = code

    @property
    def extensions(self) -> dict[str, object]:
        """What stands beside the message in the answer; graphql-core reads it by this name."""
        return {"code": self.code}

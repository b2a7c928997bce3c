"""What may be wrong with a credential, and with what is asked of keys."""


class AccessError(Exception):
    """What was asked of keys cannot be done; the message says why."""


class NoSuchKey(AccessError):
    """There is none of that id for that tenant."""

    def __init__(self, id_: str) -> None:
        super().__init__(f"there is no key {id_!r}: the list of keys has their ids")


class KeyIsRevoked(AccessError):
    """It was revoked, and stays so."""

    def __init__(self, id_: str) -> None:
        super().__init__(f"the key {id_!r} is revoked, for good: make another one")


class KeyMadeBefore(AccessError):
    """The idempotency key has made one already, whose secret is not shown again."""

    def __init__(self, id_: str) -> None:
        super().__init__(
            f"this idempotency key made the key {id_!r} before; its secret was shown then."
            " Rotate that key to get another one"
        )
        self.id = id_


class NotAdmitted(Exception):
    """A request is not let in. What exactly is wrong with a credential nobody is told."""


class NoCredential(NotAdmitted):
    """It has no credential, and needs one."""


class BadCredential(NotAdmitted):
    """Its credential is none, unknown, revoked or expired."""


class WrongNetwork(NotAdmitted):
    """Its credential is good, but not from there."""


class CannotTell(NotAdmitted):
    """Which credentials there are cannot be read now."""


class Exhausted(AccessError):
    """The caller has not so much left today; `retry_after_s` is None where waiting is of no use."""

    def __init__(self, message: str, retry_after_s: float | None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

"""What can go wrong on the way out, drawn as a tree.

ProviderError
├── Unreachable      nothing was sent: name or connection failed
│   └── Untrusted    nor will be: it does not prove to be the service
├── TimedOut         no whole answer in time
├── Broken           the connection ended in mid-answer
├── ProtocolBroken   an answer that the service's contract does not know
├── Faulted          an answer that says no: throttled, refused, out of credit, down, …
├── NoPermit         the account's limits leave no room before the deadline
└── BreakerOpen      it failed so often that it is left alone for a while

None of them says anything about a value: each becomes UNDECIDED with a reason.
"""

from msgspec import Struct

from verdicts.reason import ReasonCode


class Fault(Struct, frozen=True):
    """What a service means by an answer that is not about the value.

    `again`: the same call may be sent again before the deadline. `retryable`: a client that asks
    later may get an answer. `charged`: the call may have cost something all the same. `pause_s`:
    everybody leaves the account alone for so many seconds, unless the answer itself says how long.
    `opens`: nothing will come before somebody acts, so the breaker opens at once. `crowded`: there
    are too many calls at once, so there are fewer from now on.
    """

    code: ReasonCode
    again: bool = False
    retryable: bool = True
    charged: bool = False
    pause_s: float | None = None
    opens: bool = False
    crowded: bool = False


UNKNOWN = Fault(ReasonCode.PROVIDER_PROTOCOL)  # what the service's contract does not list


class ProviderError(Exception):
    """Base of the tree. `sent` is False when the call surely did not reach the service.

    `retry_after_s` is in how many seconds a call may be answered again, None where nobody knows.
    `opens` is as in `Fault`; `called` says that a call was made, `tells` that its failure says
    something about the service, and `counted` that the statistics know of it.
    """

    code = ReasonCode.PROVIDER_UNAVAILABLE
    retryable = True
    again = True
    sent = True
    opens = False
    called = True
    tells = True
    counted = False
    retry_after_s: float | None = None

    def rests(self, seconds: float | None) -> None:
        """Take note that nothing is sent for so many `seconds`, if that is known."""
        if seconds is not None:
            self.retry_after_s = max(self.retry_after_s or 0.0, seconds)


class Unreachable(ProviderError):
    """The service's name or port could not be used."""

    sent = False


class Untrusted(Unreachable):
    """TLS failed: whoever answers does not prove to be the service."""

    again = False
    opens = True


class TimedOut(ProviderError):
    """The service did not answer in time."""


class Broken(ProviderError):
    """The connection ended before the answer did."""


class ProtocolBroken(ProviderError):
    """The answer is not what the contract tells."""

    code = ReasonCode.PROVIDER_PROTOCOL
    again = False


class Faulted(ProviderError):
    """The service answered that it will not answer."""

    def __init__(self, fault: Fault, status: int, retry_after_s: float | None = None) -> None:
        """Carry what `fault` says, the HTTP `status` that it came with, and the pause after it."""
        super().__init__(f"{fault.code.value} (HTTP {status})")
        self.fault = fault
        self.status = status
        self.code = fault.code
        self.retryable = fault.retryable
        self.again = fault.again
        self.sent = fault.charged
        self.opens = fault.opens
        self.retry_after_s = retry_after_s


class NoPermit(ProviderError):
    """No permit before the deadline; nothing was sent."""

    again = False
    sent = False
    called = False
    tells = False

    def __init__(self, code: ReasonCode, retry_after_s: float | None = None) -> None:
        """Say why (`code`) and, where known, in how many seconds there is room again."""
        super().__init__(code.value)
        self.code = code
        self.retry_after_s = retry_after_s


class BreakerOpen(ProviderError):
    """The breaker is open; nothing was sent."""

    again = False
    sent = False
    called = False
    tells = False

    def __init__(self, code: ReasonCode, retry_after_s: float) -> None:
        """Say what opened it (`code`), and in how many seconds somebody may try again."""
        super().__init__(f"the breaker is open: {code.value}")
        self.code = code
        self.retry_after_s = retry_after_s

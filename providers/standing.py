"""Where an account stands: what is used and left of its windows, its slots, and why it pauses."""

from collections.abc import Sequence
from typing import cast

import msgspec
from msgspec import Raw, Struct

from providers.rates import Rate
from providers.trip import STANDING, US, Run, Shared, Windows
from verdicts.reason import ReasonCode


class Used(Struct, frozen=True):
    """One window as it stands: permits used and left, and in how many seconds more come back."""

    rate: str
    limit: int
    used: int
    again_s: float

    @property
    def left(self) -> int:
        """Permits that are left."""
        return max(0, self.limit - self.used)


class Standing(Struct, frozen=True):
    """An account as it stands, over all processes and machines.

    `paused_s` is what is left of a pause, `why` what it is for; `share` of its rate is used, less
    than 1 after it was told to slow down; `slots` are in use, or kept for use.
    """

    paused_s: float
    why: ReasonCode | None
    share: float
    slots: int
    windows: tuple[Used, ...]


class _Asked(Struct):
    windows: Raw


class _Answered(Struct):
    pause: float
    why: str
    share: float
    slots: int
    windows: list[tuple[float, float]]


_ENCODER, _ANSWERED = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(_Answered)


class View:
    """Looks at an account, and takes nothing."""

    def __init__(self, shared: Shared, keys: Sequence[str], rates: Sequence[Rate]) -> None:
        """Look at what permits.lua keeps under `keys` for `rates`."""
        self._run: Run = shared.script(STANDING)
        self._keys = keys
        self._rates = rates
        self._windows = Windows(rates)

    async def now(self) -> Standing:
        """Return how it stands now; see `providers.permits.Permits.standing`."""
        asked = _ENCODER.encode(_Asked(self._windows.encoded()))
        answer = _ANSWERED.decode(cast("bytes", await self._run(self._keys, [asked])))
        return Standing(
            paused_s=answer.pause / US,
            why=ReasonCode(answer.why) if answer.why and answer.pause else None,
            share=answer.share,
            slots=answer.slots,
            windows=tuple(
                Used(rate.text, rate.limit, min(rate.limit, round(used)), again / US)
                for rate, (used, again) in zip(self._rates, answer.windows, strict=True)
            ),
        )

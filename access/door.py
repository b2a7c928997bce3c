"""The door: who comes in with which credential, and who has to leave.

All keys are known here, so that letting somebody in asks nobody: they are read anew when the store
says that they changed, which is looked at every `LOOK_S`. While the store is away, what was known
last holds.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from msgspec import Struct

from access.errors import BadCredential, CannotTell, NoCredential, WrongNetwork
from access.key import Key
from access.principal import ANYBODY, Principal, principal_of
from access.secret import PREFIX, Pepper
from batches.errors import StoreError

LOOK_S = 2.0
"""Between two looks whether a key was made, changed or revoked."""
TOLD_WITHIN_S = 0.5
"""Between two looks whether somebody's credential has expired meanwhile."""

_log = logging.getLogger(__name__)

Ended = Callable[[], None]


class Kept(Protocol):
    """Where keys are kept (`access.keys.Keys`)."""

    async def listed(self, tenant: str | None = None) -> list[Key]:
        """Return the keys of all tenants."""
        ...

    async def version(self) -> int:
        """Return a number that is another one after each change."""
        ...


class Tokens(Protocol):
    """What verifies tokens of another issuer (`access.tokens.Tokens`)."""

    async def principal(self, text: str) -> Principal:
        """Return who calls with the token `text`. Raise NotAdmitted."""
        ...


class Admitted(Struct, frozen=True):
    """Who comes in with a secret, and until when (seconds since 1970) it is good."""

    key: Key
    principal: Principal
    until_s: float


class Door:
    """Lets callers of this process in, and tells those who have to leave.

    An `open_` one lets in whoever shows no credential, as ANYBODY; another one does so while it
    knows that there are no keys, and no tokens are taken, if it is a `local` one, which only this
    machine can reach.
    """

    def __init__(
        self,
        pepper: Pepper,
        *,
        open_: bool,
        local: bool,
        tokens: Tokens | None = None,
    ) -> None:
        """Know of no keys yet; `begin` reads them."""
        self._pepper = pepper
        self._open = open_
        self._local = local
        self._tokens = tokens
        self._keys: Mapping[str, Key] = {}
        self._admitted: Mapping[bytes, Admitted] = {}
        self._version: int | None = None
        self._watched: dict[Principal, set[Ended]] = {}
        self._task: asyncio.Task[None] | None = None
        self._known = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether callers without a credential are let in."""
        if self._open:
            return True
        nobody_has_one = self._known.is_set() and not self._keys and self._tokens is None
        return self._local and nobody_has_one

    @property
    def has_keys(self) -> bool:
        """Whether there is a key that lets somebody in, or tokens do."""
        now = datetime.now(UTC)
        return self._tokens is not None or any(key.is_live(now) for key in self._keys.values())

    async def begin(self, kept: Kept) -> None:
        """Read the keys in `kept`, and go on doing so. Raise StoreError if that fails at first."""
        await self._look(kept)
        if self._task is None:
            self._task = asyncio.create_task(self._keep_looking(kept), name="door")

    async def close(self) -> None:
        """Look no longer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def known(self, within_s: float) -> bool:
        """Wait until the keys have been read; tell whether they were within `within_s`."""
        if not self._known.is_set():
            try:
                async with asyncio.timeout(within_s):
                    await self._known.wait()
            except TimeoutError:
                return False
        return True

    async def admit(self, credential: str | None, address: str | None, wait_s: float) -> Principal:
        """Return who calls with `credential` from the IP `address`.

        While keys are being read for the first time it waits for `wait_s`.

        Raises:
            NotAdmitted: one of its subclasses, each a reason.
        """
        if credential is not None and credential.startswith(PREFIX) and self._known.is_set():
            return self._with_key(credential, address)  # the usual case, by itself
        if credential is None and self._open:
            return ANYBODY
        if not self._known.is_set() and not await self.known(wait_s):
            raise CannotTell
        if credential is None:
            if self.is_open:
                return ANYBODY
            raise NoCredential
        if credential.startswith(PREFIX):
            return self._with_key(credential, address)
        if self._tokens is None:
            raise BadCredential
        return await self._tokens.principal(credential)

    def watch(self, principal: Principal, ended: Ended) -> Callable[[], None]:
        """Call `ended` once `principal` may not stay; call what this returns when it has left."""
        watchers = self._watched.setdefault(principal, set())
        watchers.add(ended)

        def left() -> None:
            watchers.discard(ended)
            if not watchers and self._watched.get(principal) is watchers:
                del self._watched[principal]

        return left

    def _with_key(self, text: str, address: str | None) -> Principal:
        # Looked up by what nobody can make without the pepper: how long it takes tells nothing.
        found = self._admitted.get(self._pepper.digest(text))
        if found is None or found.until_s <= time.time():
            raise BadCredential
        if not found.key.is_from(address):
            raise WrongNetwork
        return found.principal

    async def _keep_looking(self, kept: Kept) -> None:
        loop = asyncio.get_running_loop()
        looked_at = loop.time()
        while True:
            await asyncio.sleep(TOLD_WITHIN_S)
            if loop.time() - looked_at >= LOOK_S:
                looked_at = loop.time()
                try:
                    await self._look(kept)
                except StoreError as error:
                    _log.warning("keys not read", extra={"error": type(error).__name__})
                except Exception:  # noqa: BLE001 - a fault of ours must not keep revoked keys alive
                    _log.exception("keys not read")
            self._send_out()

    async def _look(self, kept: Kept) -> None:
        version = await kept.version()
        if version != self._version:
            keys = {key.id: key for key in await kept.listed()}
            self._keys, self._version = keys, version
            self._admitted = _by_digest(keys.values())
        self._known.set()

    def _send_out(self) -> None:
        """Tell those whose credential is of no use any more."""
        now = datetime.now(UTC)
        for principal in [one for one in self._watched if not self._may_stay(one, now)]:
            for ended in list(self._watched.pop(principal, ())):
                ended()

    def _may_stay(self, principal: Principal, now: datetime) -> bool:
        if principal.credential is None:
            return self.is_open
        if principal.ends_at is not None and principal.ends_at <= now:
            return False
        if not principal.of_key:
            return True  # a token of another issuer, which nobody revokes here
        key = self._keys.get(principal.credential)
        return key is not None and key.is_live(now)


def _by_digest(keys: Iterable[Key]) -> dict[bytes, Admitted]:
    """Return who calls with each secret that is good, by its digest."""
    found: dict[bytes, Admitted] = {}
    for key in keys:
        if key.revoked_at is not None:
            continue
        principal = principal_of(key)
        until_s = _seconds(key.expires_at)
        found[key.digest] = Admitted(key, principal, until_s)
        if key.digest_before is not None:
            before_until_s = min(until_s, _seconds(key.before_until))
            found[key.digest_before] = Admitted(key, principal, before_until_s)
    return found


def _seconds(moment: datetime | None) -> float:
    """Return `moment` as seconds since 1970; None is never."""
    return math.inf if moment is None else moment.timestamp()

"""`/_control`: what tests and demos ask the sandbox, and tell it.

GET  /_control/statistics                 counts of every mount
GET  /_control/{mount}/log                the last calls with the values asked, as received
POST /_control/{mount}/fault              one fault or a list of them, instead of those before
DELETE /_control/{mount}/fault            no faults
POST /_control/{mount}/latency            {"ms": 20, "jitter_ms": 10, "seed": 1}
POST /_control/{mount}/limit              {"windows": [{"requests": 5, "window_s": 1}], …}
DELETE /_control/{mount}/limit            no limit at all
POST /_control/{mount}/{command}          what that service alone can change
POST /_control/declared                   stand-ins for services that a configuration declares
POST /_control/reset                      everything as at the start
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from sandbox.declared import DECLARED_MAX, PREFIX, Declared
from sandbox.domains import FAULTS as DNS_FAULTS
from sandbox.faults import DELAY_MS_MAX, MODES, Fault
from sandbox.limits import Limit
from sandbox.message import Reply, Request
from sandbox.mount import Latency, Mount

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.dns import Nameserver
    from sandbox.domains import Behaviour

T = TypeVar("T")
ALIASES = {"twilio-lookup": "twilio"}


class Mistake(Exception):
    """A control call that cannot be done; says what to do instead."""


def read_faults(body: bytes, own_modes: set[str]) -> list[Fault]:
    """Return the faults in a control body; raise Mistake when one is not possible."""
    try:
        several = body.lstrip().startswith(b"[")
        faults = (
            msgspec.json.decode(body, type=list[Fault])
            if several
            else [msgspec.json.decode(body, type=Fault)]
        )
    except msgspec.DecodeError as error:
        raise Mistake(f"not a fault: {error}") from error
    for fault in faults:
        if fault.mode not in own_modes:
            known = ", ".join(sorted(own_modes))
            raise Mistake(f"no fault mode {fault.mode!r} here; there are: {known}")
        if not 0 <= fault.delay_ms + fault.jitter_ms <= DELAY_MS_MAX:
            raise Mistake(f"delay_ms and jitter_ms together must be from 0 to {DELAY_MS_MAX}")
    return faults


def _read(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        name = getattr(kind, "__name__", "message").lower()
        raise Mistake(f"not a {name}: {error}") from error


class Control:
    """Answers `/_control` for all mounts and for DNS."""

    def __init__(self, mounts: dict[str, Mount], dns: Nameserver) -> None:
        self._mounts = mounts
        self._declared: dict[str, Declared] = {}
        self._dns = dns

    def answer(self, request: Request) -> Reply:
        """Return the answer to a control call; a mistake is 400 or 404 with its reason."""
        try:
            return Reply(payload=self._do(request))
        except Mistake as mistake:
            return Reply(400, {"error": str(mistake)})

    def _do(self, request: Request) -> Mapping[str, Any]:
        match request.method, request.segments[1:]:
            case "GET", ["statistics"]:
                counts = {name: mount.statistics() for name, mount in self._mounts.items()}
                return {**counts, "dns": self._dns.statistics()}
            case "POST", ["reset"]:
                for mount in self._mounts.values():
                    mount.reset()
                self._dns.reset()
                return {}
            case "POST", ["declared"]:
                return self._declare(_read(request.body, list[Declared]))
            case method, ["dns", subject]:
                return self._tell_dns(method, subject, request.body)
            case method, [name, subject]:
                return self._tell(method, self._mount(name), subject, request.body)
            case _:
                raise Mistake(f"no such control: {request.method} {request.path}")

    def _declare(self, all_declared: list[Declared]) -> Mapping[str, Any]:
        """Stand in for services from now on; one that is told as before stays as it is."""
        for declared in all_declared:
            if not declared.mount.startswith(PREFIX):
                raise Mistake(f"the mount of a declared service begins with {PREFIX!r}")
            if self._declared.get(declared.mount) == declared:
                continue
            if len(self._declared) >= DECLARED_MAX and declared.mount not in self._declared:
                raise Mistake(f"there are {DECLARED_MAX} declared services already")
            standin = declared.stand_in()
            self._declared[declared.mount] = declared
            for name, limit in standin.mounts.items():
                self._mounts[name] = Mount(name, standin, limit)
        return {"mounts": [declared.mount for declared in all_declared]}

    def _mount(self, name: str) -> Mount:
        dashed = name.replace("_", "-")
        mount = self._mounts.get(ALIASES.get(dashed, dashed))
        if mount is None:
            raise Mistake(f"no service {name!r}; there are: {', '.join(self._mounts)}")
        return mount

    def _tell_dns(self, method: str, subject: str, body: bytes) -> Mapping[str, Any]:
        match method, subject:
            case "GET", "log":
                return self._dns.log()
            case "POST", "fault":
                (fault,) = read_faults(body, set(DNS_FAULTS))[:1]
                self._dns.fault = cast("Behaviour", fault.mode)
            case "DELETE", "fault":
                self._dns.fault = None
            case _:
                raise Mistake(f"dns has no control {method} {subject}")
        return {}

    def _tell(self, method: str, mount: Mount, subject: str, body: bytes) -> Mapping[str, Any]:
        match method, subject:
            case "GET", "log":
                return mount.log()
            case "POST", "fault":
                mount.faults = read_faults(body, {*MODES, *mount.standin.faults})
            case "DELETE", "fault":
                mount.faults = []
            case "POST", "latency":
                mount.delay(_read(body, Latency))
            case "POST", "limit":
                mount.gate.change(_read(body, Limit))
            case "DELETE", "limit":
                mount.gate.change(Limit())
            case "POST", command if command in mount.standin.commands:
                return mount.standin.commands[command](_read(body or b"{}", dict[str, Any]))
            case _:
                raise Mistake(f"{mount.name} has no control {method} {subject}")
        return {}

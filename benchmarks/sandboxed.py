"""The sandbox and Assay in front of it, as processes of their own, with the sandbox's controls."""

import sys
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.request import Request, urlopen

import orjson
from msgspec import Struct

from benchmarks.processes import (
    CALL_S,
    OTHER_CPU,
    TESTED_CPU,
    Running,
    Store,
    assay,
    started,
    store,
)

MAILBOXES, MAILBOXES_BULK = "zerobounce", "zerobounce-bulk"
EMAILS = """mutation Validate($records: [RecordInput!]!, $options: ValidateOptions) {
  validate(records: $records, options: $options) {
    results { ref status email { input status source reasons { code retryable } } }
    usage { callsMade }
  }
}"""


class Sandbox(Struct):
    """A running sandbox: its address without a path, its nameserver as host:port."""

    http: str
    dns: str

    def control(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Do one control call and return its answer."""
        content = None if body is None else orjson.dumps(body)
        call = Request(f"{self.http}/_control/{path}", data=content, method=method)  # noqa: S310 - the loopback
        with urlopen(call, timeout=CALL_S) as answer:  # noqa: S310
            return orjson.loads(answer.read())

    def mounts(self) -> list[str]:
        """Return the names of its services."""
        return [name for name in self.control("GET", "statistics") if name != "dns"]

    def calls(self, mount: str) -> list[dict[str, Any]]:
        """Return the calls that a service got: `time`, `values` as received, `status`."""
        found: list[dict[str, Any]] = self.control("GET", f"{mount}/log")["calls"]
        return found

    def values_asked(self, *mounts: str) -> list[str]:
        """Return every value that these services were asked, repeats included."""
        return [v for mount in mounts for call in self.calls(mount) for v in call["values"]]

    def counts(self) -> dict[str, int]:
        """Return the calls that each service, and the nameserver, got."""
        found = self.control("GET", "statistics")
        return {name: one["calls"] for name, one in found.items()}

    def unlimited(self) -> None:
        """Forget what happened, and limit nothing."""
        self.control("POST", "reset")
        for mount in self.mounts():
            self.control("POST", f"{mount}/limit", {})

    def fail(self, mode: str, **options: object) -> None:
        """Let every service fail in this mode from now on."""
        for mount in self.mounts():
            self.control("POST", f"{mount}/fault", {"mode": mode, **options})


@contextmanager
def running_sandbox() -> Generator[Sandbox]:
    """Run a sandbox until left."""
    with started([sys.executable, "-m", "sandbox"], OTHER_CPU, pipe=True) as process:
        assert process.stdout is not None
        ready = orjson.loads(process.stdout.readline())
        yield Sandbox(ready["http"], ready["dns"])


class House(Struct):
    """A sandbox, a store and processes of Assay that share both."""

    sandbox: Sandbox
    store: Store
    gateways: list[Running]


def settings_of(sandbox: Sandbox, shared: Store, **sections: object) -> dict[str, object]:
    """Return settings with which every provider is the sandbox's, and nothing is limited."""
    names = ("vies", "hmrc", "gleif", "companies_house", "twilio_lookup", "postcodes_io")
    unlimited: dict[str, object] = {name: {"rates": []} for name in names}
    unlimited["zerobounce"] = {"rates": [], "bulk_rates": []}
    return {
        "gateway": {
            "sandbox": True,
            "sandbox_url": sandbox.http,
            "sandbox_dns": sandbox.dns,
            "log_level": "ERROR",
        },
        "redis": {"url": shared.url},
        "cache": {"hash_key": "the scoreboard, and nothing else"},
        "providers": unlimited,
    } | sections


def mailboxes(**provider: object) -> dict[str, object]:
    """Return sections with which an e-mail's policy is its mailbox alone, asked in this way."""
    return {
        "kinds": {"email": {"checks": ["mailbox"]}},
        "providers": {"zerobounce": {"rates": [], "bulk_rates": [], **provider}},
    }


@contextmanager
def house(*gateways: Mapping[str, object]) -> Generator[House]:
    """Run a sandbox without limits and one process of Assay for each of `gateways` (sections)."""
    with ExitStack() as stack:
        sandbox = stack.enter_context(running_sandbox())
        shared = stack.enter_context(store())
        sandbox.unlimited()
        processes = [
            stack.enter_context(
                assay(settings_of(sandbox, shared, **sections), (TESTED_CPU, OTHER_CPU)[at % 2])
            )
            for at, sections in enumerate(gateways)
        ]
        yield House(sandbox, shared, processes)


def asking(
    records: Iterable[Mapping[str, object]], query: str = EMAILS, **options: object
) -> bytes:
    """Return the body that asks for `records` with these options."""
    variables = {"records": list(records), "options": options or None}
    return orjson.dumps({"query": query, "variables": variables})


def of_emails(emails: Sequence[str], **options: object) -> bytes:
    """Return the body that asks for e-mails."""
    return asking([{"ref": email, "email": email} for email in emails], EMAILS, **options)


def results(answer: bytes) -> list[dict[str, Any]]:
    """Return the results in an answer.

    Raises:
        ValueError: it has errors.
    """
    content = orjson.loads(answer)
    if content.get("errors"):
        raise ValueError(f"errors: {content['errors']}")
    found: list[dict[str, Any]] = content["data"]["validate"]["results"]
    return found

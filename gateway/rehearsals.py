"""How the sandbox stands in for declared providers: with the examples of their declarations.

Each example is a value and the answer that the service would give. The call about the value is made
here, by the declaration's own templates, and handed to the sandbox beside the answer, as plain
data; so is the answer read here, by the declaration's own rules, to see that they make of it what
the example says.
"""

import json
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from checks.kinds import KindModule
from gateway.declarations import Declarations, explained
from gateway.mistakes import Mistake
from gateway.one_value import as_sent
from gateway.sandbox import SECRET
from gateway.settings import ConfigurationError, Settings
from providers.declared.conversation import DeclaredService
from providers.declared.reading import CONCLUSIONS
from providers.declared.sandbox_settings import SandboxTable
from providers.declared.settings import DeclaredProvider
from providers.errors import ProviderError
from providers.exchange import Account, Answer, Call
from resolvers.context import SandboxInput
from verdicts.outcome import Conclusion
from verdicts.reason import ReasonCode

DIGEST_BYTES = 8
JSON_TYPE = "application/json"
Keys = tuple[str, ...]
Read = tuple[Conclusion, tuple[ReasonCode, ...]]


class Rehearsal(Struct, frozen=True):
    """A declared provider as the sandbox stands in for it.

    `path` is where it answers there, `told` what the sandbox has to know, `mark` a digest of that:
    with other examples what was kept of the ones before is nothing.
    """

    service: DeclaredService
    path: str
    told: Mapping[str, Any]
    inputs: tuple[SandboxInput, ...]
    mark: str


class _Example(Struct, frozen=True):
    """One example: where it stands, what it says, its canonical value and the call about that."""

    keys: Keys
    table: SandboxTable
    value: str
    call: Call


def rehearsals_of(settings: Settings, declarations: Declarations) -> dict[str, Rehearsal]:
    """Return how the sandbox stands in for each declared provider that has examples.

    Raises:
        ConfigurationError: an example is not read as it says; each mistake with its key and line.
    """
    modules = {module.KIND.name: module for module in declarations.kinds}
    mistakes: list[Mistake] = []
    rehearsals: dict[str, Rehearsal] = {}
    for name, service in declarations.services.items():
        table = settings.providers[name]
        if isinstance(table, DeclaredProvider) and table.sandbox:
            rehearsed = _Examples(name, service, modules[service.KIND], table.sandbox)
            mistakes += rehearsed.mistakes
            rehearsals[name] = rehearsed.rehearsal()
    if mistakes:
        raise ConfigurationError(explained(settings, mistakes))
    return rehearsals


class _Examples:
    """The examples of one provider, and what is wrong with them."""

    def __init__(
        self,
        name: str,
        service: DeclaredService,
        module: KindModule,
        tables: tuple[SandboxTable, ...],
    ) -> None:
        self.mistakes: list[Mistake] = []
        self._name = name
        self._module = module
        values: dict[str, tuple[Keys, SandboxTable]] = {}
        for number, table in enumerate(tables):
            keys: Keys = ("providers", name, "sandbox", str(number))
            canonical = self._canonical(service, table.value)
            if isinstance(canonical, Mistake):
                self.mistakes.append(Mistake((*keys, *canonical.keys), canonical.message))
            else:
                values[canonical] = keys, table  # of two about one value the second is refused
        self._service = service.rehearsing(values)
        account = Account(name, dict.fromkeys(self._service.SECRETS, SECRET))
        self._examples: list[_Example] = []
        for value, (keys, table) in values.items():
            exchange = self._service.ask([value], account)
            example = _Example(keys, table, value, next(exchange))
            exchange.close()
            self._examples.append(example)
            self.mistakes += self._misread(example, account)
        self.mistakes += self._same_calls(len(tables))

    def rehearsal(self) -> Rehearsal:
        """Return what they make."""
        mount = f"declared-{quote(self._name, safe='')}"
        told = {
            "mount": mount,
            "service": self._name,
            "answers": [_told(example) for example in self._examples],
        }
        kind = self._module.KIND.name
        inputs = tuple(
            SandboxInput(self._name, kind, one.table.value, _meaning(one.table))
            for one in self._examples
        )
        text = json.dumps(told, sort_keys=True)
        mark = blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()
        return Rehearsal(self._service, f"/{mount}", told, inputs, mark)

    def _canonical(self, service: DeclaredService, value: str) -> str | Mistake:
        kind = self._module.KIND.name
        examined = self._module.examine(as_sent(kind, value))
        if examined.canonical is None:
            codes = [reason.code.value for one in examined.outcomes for reason in one.reasons]
            said = f"{value!r} is no value of kind {kind} ({', '.join(codes)})"
            return Mistake(("value",), f"{said}, so nobody would be asked about it")
        if not service.serves(examined.canonical):
            return Mistake(
                ("value",), f"{value!r} would not be asked about: see `serves`, and what calls need"
            )
        return examined.canonical

    def _misread(self, example: _Example, account: Account) -> Iterator[Mistake]:
        """Yield what the rules make of an answer, where it is not what the example says."""
        table = example.table
        conclusion, codes = self._read(example, account)
        word = next(word for word, one in CONCLUSIONS.items() if one is conclusion)
        read = f"{word} ({', '.join(code.value for code in codes)})" if codes else word
        told = f"the rules make {read} of this answer; `assay providers test --sandbox` shows how"
        if word != table.gives:
            yield Mistake((*example.keys, "gives"), told)
        elif table.reason is not None and table.reason not in codes[:1]:
            yield Mistake((*example.keys, "reason"), told)

    def _read(self, example: _Example, account: Account) -> Read:
        answer = _answer(example.table)
        fault = self._service.fault_of(answer)
        if fault is not None:
            return Conclusion.UNDECIDED, (fault.code,)
        exchange = self._service.ask([example.value], account)
        next(exchange)
        try:
            exchange.send(answer)
        except StopIteration as end:
            found = end.value.get(example.value)
            if found is None:  # a list of items without any: asked again, in vain
                return Conclusion.UNDECIDED, (ReasonCode.PROVIDER_PROTOCOL,)
            return found.conclusion, tuple(reason.code for reason in found.reasons)
        except ProviderError as error:
            return Conclusion.UNDECIDED, (error.code,)
        raise AssertionError("without a token one call is all")

    def _same_calls(self, count: int) -> Iterator[Mistake]:
        """Yield examples whose call is that of one before: they would not be told apart."""
        if not self.mistakes and len(self._examples) < count:
            keys = ("providers", self._name, "sandbox")
            yield Mistake(keys, "two examples are about one value")
        seen: list[Call] = []
        for example in self._examples:
            if example.call in seen:
                yield Mistake(
                    (*example.keys, "value"), "the call is that of an example before; leave one out"
                )
            seen.append(example.call)


def _meaning(table: SandboxTable) -> str:
    return table.meaning or " ".join([table.gives, *([table.reason.value] if table.reason else [])])


def _body(table: SandboxTable) -> str:
    body = table.body
    return body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)


def _headers(table: SandboxTable) -> dict[str, str]:
    return {"content-type": JSON_TYPE} | {n.lower(): text for n, text in table.headers.items()}


def _answer(table: SandboxTable) -> Answer:
    return Answer(table.http, _headers(table), _body(table).encode())


def _told(example: _Example) -> dict[str, Any]:
    """Return an example as `sandbox.declared.Example` has it."""
    call = example.call
    return {
        "value": example.value,
        "method": call.method,
        "path": call.path,
        "query": call.query,
        "form": call.form,
        "json": call.json,
        "status": example.table.http,
        "headers": _headers(example.table),
        "body": _body(example.table),
    }

"""`assay providers test`: one real call, shown with its answer and how each rule read it."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, urlencode

from msgspec import Struct
from rich.text import Text

from checks.kinds import KindModule
from gateway.assembly import Assembly
from gateway.cli.errors import WRONG_USAGE, CommandError
from gateway.cli.opening import opened, settings_of
from gateway.cli.running import run
from gateway.cli.tables import stdout_console
from gateway.mistakes import nearest
from gateway.one_value import as_sent
from gateway.provider_factory import SECRET_NAMES, secrets_of
from gateway.sandbox import SECRET
from providers.carrier import carry
from providers.declared.conversation import DeclaredService
from providers.declared.tracing import trace
from providers.errors import Faulted, ProviderError
from providers.exchange import Account, Answer, Call
from providers.provider import ServiceProvider, State
from providers.settings import ProviderSettings
from providers.transport import Transport
from verdicts.outcome import Conclusion, Found

PATIENCE_S = 60.0
"""For a permit of the account."""
SHOWN_CHARACTERS_MAX = 4_000
"""Of one body."""
SHOWN_HEADERS = ("content-type", "date", "retry-after")
SHOWN_PREFIXES = ("ratelimit", "x-ratelimit", "x-rate-limit")
MASK = "***"


def test_provider(
    name: str, value: str, config: Path | None, data_dir: Path | None, *, sandbox: bool
) -> bool:
    """Ask `name` about `value`, show everything, return whether it decided.

    The call is a real one: it takes a permit of the account, and may cost what a call costs; but
    with `sandbox` the stand-in answers, whatever credentials there are.

    Raises:
        CommandError: there is no such provider, or it can't be asked about the value.
    """
    settings = settings_of(config, data_dir=data_dir, sandbox=sandbox)
    table = settings.providers.get(name)
    if sandbox and table is not None:
        untold = table.model_copy(update=dict.fromkeys(SECRET_NAMES))
        settings = settings.model_copy(update={"providers": {**settings.providers, name: untold}})

    async def asked() -> bool:
        async with opened(settings, guest=True) as assembly:
            return await _Trial(assembly, name).ask(value)

    return run(asked())


class _Masked(Struct):
    """Hides secrets in what is shown, in every form in which a call holds them."""

    forms: list[str]

    def __call__(self, text: str) -> str:
        for form in sorted(self.forms, key=len, reverse=True):
            text = text.replace(form, MASK)
        return text


class _Trial:
    """One provider, asked by hand."""

    def __init__(self, assembly: Assembly, name: str) -> None:
        self._console = stdout_console()
        self._provider, self._module = _found(assembly, name)
        secrets = secrets_of(assembly.settings.providers.get(name, ProviderSettings()))
        self._knows: list[str] = []
        if self._provider.state is State.SANDBOX:
            secrets = dict.fromkeys(self._provider.service.SECRETS, SECRET)
            inputs = assembly.context.sandbox_inputs
            self._knows = [one.value for one in inputs if one.service == name]
        self._account = Account(name, secrets)
        self._masked = _Masked(_forms(secrets.values()))

    async def ask(self, value: str) -> bool:
        """Ask about `value`, and show what came of it."""
        canonical = self._canonical(value)
        if self._provider.state is State.NOT_CONFIGURED:
            raise CommandError(
                f"{self._provider.name} has no credentials; `assay providers check` names them."
                " With --sandbox a stand-in answers, if it has any for the provider.",
                WRONG_USAGE,
            )
        if not self._provider.serves(canonical) and self._knows:
            raise CommandError(
                f"The sandbox does not know {canonical!r}; of {self._provider.name} it knows"
                f" {', '.join(self._knows)}.",
                WRONG_USAGE,
            )
        if not self._provider.serves(canonical):
            raise CommandError(
                f"{self._provider.name} does not serve {canonical!r}: see `serves` and the parts"
                " that its calls need.",
                WRONG_USAGE,
            )
        transport = Transport()
        try:

            async def send(call: Call) -> Answer:
                return await self._send(transport, call, canonical)

            found = await carry(self._provider.service, [canonical], self._account, send)
        except ProviderError as error:
            self._say("found", f"nothing: UNDECIDED, {error.code.value} ({error})")
            return False
        finally:
            await transport.close()
        return self._conclude(found.get(canonical))

    def _canonical(self, value: str) -> str:
        examined = self._module.examine(as_sent(self._module.KIND.name, value))
        if examined.canonical is None:
            codes = [reason.code.value for one in examined.outcomes for reason in one.reasons]
            raise CommandError(
                f"{value!r} is no value of kind {self._module.KIND.name}: {', '.join(codes)}."
                " It would not be sent.",
                WRONG_USAGE,
            )
        self._say("value", examined.canonical)
        return examined.canonical

    async def _send(self, transport: Transport, call: Call, value: str) -> Answer:
        provider = self._provider
        await provider.permits.take(asyncio.get_running_loop().time() + PATIENCE_S)
        base = provider.terms.bulk_base_url if call.bulk else provider.terms.base_url
        base = call.base_url or base
        if self._account.token is not None:
            self._masked.forms.append(self._account.token)
        self._show_call(base, call)
        answer = await transport.send(base, call, provider.terms.timeout_s)
        about_token = call.base_url is not None
        self._show_answer(answer, hidden=about_token)
        fault = provider.service.fault_of(answer)
        if isinstance(provider.service, DeclaredService) and not about_token:
            self._show_trace(provider.service, value, answer)
        if fault is not None:
            raise Faulted(fault, answer.status)
        return answer

    def _show_call(self, base: str, call: Call) -> None:
        query = f"?{urlencode(call.query, quote_via=quote)}" if call.query else ""
        self._say("call", f"{call.method} {base}{call.path}{query}")
        for name, text in call.headers:
            self._say("", f"{name}: {text}")
        if call.json is not None:
            self._say("", json.dumps(call.json, ensure_ascii=False))
        if call.form is not None:
            self._say("", urlencode(call.form))

    def _show_answer(self, answer: Answer, *, hidden: bool) -> None:
        known = {status.value: status.phrase for status in HTTPStatus}
        self._say("answer", f"{answer.status} {known.get(answer.status, '')}".rstrip())
        for name, text in answer.headers.items():
            if name.lower() in SHOWN_HEADERS or name.lower().startswith(SHOWN_PREFIXES):
                self._say("", f"{name}: {text}")
        body = answer.body.decode(errors="replace")
        more = "…" if len(body) > SHOWN_CHARACTERS_MAX else ""
        self._say("", "(a token)" if hidden else body[:SHOWN_CHARACTERS_MAX] + more)

    def _show_trace(self, service: DeclaredService, value: str, answer: Answer) -> None:
        for step in trace(service, value, answer):
            found = json.dumps(step.found, ensure_ascii=False, default=str)
            shown = found if len(found) <= 200 else found[:200] + "…"  # noqa: PLR2004 - of a line
            means = f"  ->  {step.means}" if step.means else ""
            mark = "broken" if step.broken else "rule"
            self._say(mark, f"{step.rule}  {step.text}  =  {shown}{means}")

    def _conclude(self, found: Found | None) -> bool:
        if found is None:
            self._say("found", "nothing: the answer leaves the value out")
            return False
        codes = [reason.code.value for reason in found.reasons]
        self._say("found", f"{found.conclusion.value} {' '.join(codes)}".rstrip())
        if found.evidence is not None:
            self._say("evidence", str(found.evidence))
        return found.conclusion is not Conclusion.UNDECIDED

    def _say(self, mark: str, text: str) -> None:
        self._console.print(Text(f"{mark:<9} {self._masked(text)}"), soft_wrap=True)


def _found(assembly: Assembly, name: str) -> tuple[ServiceProvider, KindModule]:
    names: list[str] = []
    for (kind, _), panel in assembly.context.panels.items():
        for provider in panel.providers:
            names.append(provider.name)
            if provider.name == name and isinstance(provider, ServiceProvider):
                modules = assembly.declarations.kinds
                return provider, next(one for one in modules if one.KIND.name == kind)
    told = nearest(name, names) or f"; there are {', '.join(names)}"
    raise CommandError(f"There is no provider {name!r} to be asked{told}.", WRONG_USAGE)


def _forms(secrets: Iterable[str]) -> list[str]:
    """Return every form in which a call may hold one of `secrets`."""
    known = [secret for secret in secrets if secret]
    pairs = [f"{user}:{password}" for user in known for password in ("", *known)]
    basic = [b64encode(pair.encode()).decode() for pair in pairs]
    in_json = [json.dumps(one, ensure_ascii=False)[1:-1] for one in known]
    quoted = [*map(quote, known), *(quote(one, safe="") for one in known)]
    return [*known, *quoted, *in_json, *basic]

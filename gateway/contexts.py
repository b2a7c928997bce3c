"""From a request to the context in which its operation is run: who asks, and who judges."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from starlette.types import Scope

from access.principal import ANYBODY, Principal
from cache.bounded import Bounded
from gateway.admission import Admission
from gateway.assembly import Assembly
from resolvers.context import Context

CONTEXTS_MAX = 2_000
"""Callers whose context this process keeps: making one costs a tenth of a request."""


class Contexts:
    """Makes the contexts of one process, and keeps those of callers that come again."""

    def __init__(self, admission: Admission, assembly: Callable[[], Assembly]) -> None:
        """Let in whom `admission` lets in; `assembly` returns what they work with."""
        self._admission = admission
        self._assembly = assembly
        self._kept: Bounded[Principal, Context] = Bounded(CONTEXTS_MAX)

    async def of(self, scope: Scope, init: Mapping[str, object] | None = None) -> Context:
        """Return the context of a request; `init` is what began a WebSocket.

        Raises:
            Refusal: it is not let in.
        """
        principal = await self._admission.of(scope, init)
        if principal is ANYBODY:
            return self._assembly().context
        context = self._kept.get(principal)
        if context is None:
            context = self._made(principal)
            self._kept.put(principal, context)
        return context

    def stay(self, context: Context, ended: Callable[[], None]) -> Callable[[], None]:
        """Call `ended` when who asks has to leave; call what this returns when it has left."""
        return self._admission.stay(context.principal, ended)

    def _made(self, principal: Principal) -> Context:
        assembly = self._assembly()
        pair = assembly.courts.of(principal.tenant)
        return replace(
            assembly.context,
            principal=principal,
            allowance=self._admission.allowance(principal),
            judge=pair.live.judge,
            rehearsal=None if pair.rehearsal is None else pair.rehearsal.judge,
        )

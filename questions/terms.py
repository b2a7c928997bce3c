"""The terms on which a set of values is asked about."""

from msgspec import Struct

from providers.priority import TENANT, Priority
from questions.usage import Usage


class Terms(Struct, frozen=True):
    """What an asker wants: until when (loop clock), how old an outcome may be, who counts.

    `priority` says how urgently, `tenant` whose part of a limit it takes.
    """

    deadline: float
    max_age_s: float | None
    usage: Usage
    priority: Priority = Priority.INTERACTIVE
    tenant: str = TENANT

    @property
    def usual(self) -> bool:
        """Whether it is asked as most is."""
        return self.priority is Priority.INTERACTIVE and self.tenant == TENANT

"""Which checks make the status of a kind, as the configuration has it."""

from collections.abc import Iterable, Sequence

from checks.kinds import KindModule
from gateway.declarations import declarations_of
from gateway.settings import ConfigurationError, KindSettings, Settings


def policies_of(
    settings: Settings, modules: Sequence[KindModule] | None = None
) -> dict[str, list[str]]:
    """Return for each kind the checks of its policy that are asked, as configured.

    `modules` are the kinds that there are, where that is known already.

    Raises:
        ConfigurationError: a kind or a check that does not exist.
    """
    modules = declarations_of(settings).kinds if modules is None else modules
    kinds = {module.KIND.name: module.KIND for module in modules}
    for section, names in (("kinds", settings.kinds), ("checks", settings.checks)):
        for name in names:
            if name not in kinds:
                raise ConfigurationError(
                    f"{section}.{name}: no such kind; there are {', '.join(kinds)}"
                )
    policies: dict[str, list[str]] = {}
    for name, kind in kinds.items():
        wanted = settings.kinds[name].checks if name in settings.kinds else None
        known = [check.name for check in kind.checks]
        for check in (*(wanted or ()), *settings.checks.get(name, {})):
            if check not in known:
                raise ConfigurationError(
                    f"kind {name} has no check {check!r}; it has {', '.join(known)}"
                )
        policies[name] = [
            check.name for check in kind.asked if wanted is None or check.name in wanted
        ]
    return policies


def waived_of(settings: Settings, kinds: Iterable[KindModule]) -> frozenset[tuple[str, str]]:
    """Return the optional checks, as (kind, check), that the configuration does not demand.

    It demands one by naming it in `kinds.KIND.checks`.
    """
    return frozenset(
        (module.KIND.name, check.name)
        for module in kinds
        for check in module.KIND.asked
        if check.optional and settings.kinds.get(module.KIND.name, KindSettings()).checks is None
    )

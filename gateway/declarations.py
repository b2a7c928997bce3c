"""What the configuration declares: kinds of its own, checks of kinds, the services that answer."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

from msgspec import Struct

from checks.declared import DeclaredKind, ExtendedKind, Form, stdnum_module, stdnum_names
from checks.kinds import KINDS, KindModule
from checks.parts import PartsOf, part_names, parts_of
from gateway.declared_evidence import BUILT_IN, CheckPlan, sheets_of
from gateway.declared_rules import mistakes_in
from gateway.mistakes import Mistake, nearest, told
from gateway.settings import CONFIG_FILE, ConfigurationError, KindSettings, Settings
from providers.declared.conversation import DeclaredService
from providers.declared.settings import DeclaredProvider
from verdicts.facts import FactSheet, attribute_of
from verdicts.kind import Check, Kind

MARK_BYTES = 8
RESERVED = frozenset({"ref", "index", "status", "verdicts"})
"""Fields of a record and its result that are no kinds."""
Key = tuple[str, str]


class Declarations(Struct, frozen=True):
    """All kinds, the declared services by the provider's name, and what marks their outcomes.

    `marks` has for each declared check a digest of how its answers are read: with another reading
    what was read before is not taken for an answer.
    """

    kinds: Sequence[KindModule]
    services: Mapping[str, DeclaredService]
    marks: Mapping[Key, str]


def declarations_of(settings: Settings) -> Declarations:
    """Return what `settings` declare.

    Raises:
        ConfigurationError: a declaration can't be used; each mistake with its key and line.
    """
    found = _Declared(settings)
    if found.mistakes:
        raise ConfigurationError(explained(settings, found.mistakes))
    return Declarations(found.kinds(), found.services(), found.marks())


def explained(settings: Settings, mistakes: Sequence[Mistake]) -> str:
    """Return one line for each of `mistakes`, with its place in the file of `settings`."""
    path = type(settings).toml_file
    text = path.read_text("utf-8") if path is not None else ""
    return told(mistakes, path or Path(CONFIG_FILE), text)


class _Declared:
    """Puts declarations together, and gathers what is wrong with them."""

    def __init__(self, settings: Settings) -> None:
        self.mistakes: list[Mistake] = []
        self._built_in = {module.KIND.name: module for module in KINDS}
        self._forms: dict[str, Form] = {}
        self._settings = settings
        for name, table in settings.kinds.items():
            self._read_kind(name, table)
        self._tables = {
            name: table
            for name, table in settings.providers.items()
            if isinstance(table, DeclaredProvider) and self._has_kind(name, table)
        }
        self._plans: dict[str, CheckPlan] = {}
        for name, table in self._tables.items():
            check = table.check or name
            key = (table.kind, check)
            self._plans[name] = CheckPlan(name, table, key, BUILT_IN.get(key))
            self.mistakes += mistakes_in(
                self._plans[name], self._part_names(table.kind), self._built_in.get(table.kind)
            )
        self._sheets, self._reads, wrong = sheets_of(list(self._plans.values()))
        self.mistakes += wrong

    def kinds(self) -> list[KindModule]:
        """Return every kind, the built-in ones first."""
        modules = [self._extended(module) for module in KINDS]
        declared = (self._declared(name, form) for name, form in self._forms.items())
        return [*modules, *declared]

    def services(self) -> dict[str, DeclaredService]:
        """Return the service of every declared provider."""
        return {
            name: DeclaredService(
                plan.table, plan.key[1], self._reads[name], self._parts_of(plan.key[0])
            )
            for name, plan in self._plans.items()
        }

    def marks(self) -> dict[Key, str]:
        """Return a digest of how the answers of each declared check are read."""
        marks: dict[Key, str] = {}
        for key in {plan.key for plan in self._plans.values() if plan.holder is None}:
            plans = [plan for plan in self._plans.values() if plan.key == key]
            read = [
                (one.name, one.table.model_dump(mode="json", include={"answer", "evidence"}))
                for one in plans
            ]
            marks[key] = blake2b(
                repr(sorted(read, key=str)).encode(), digest_size=MARK_BYTES
            ).hexdigest()
        return marks

    def _read_kind(self, name: str, table: KindSettings) -> None:
        keys = ("kinds", name)
        if name in self._built_in:
            self.mistakes += [
                Mistake((*keys, key), f"{name} is built in; of it only `checks` can be set")
                for key in sorted(table.declares)
            ]
            return
        if not table.declares:
            near = nearest(name, [*self._built_in]) or f"; there are {', '.join(self._built_in)}."
            message = f"no such kind{near} One of your own has `description`, and `pattern` or"
            self.mistakes.append(Mistake(keys, f"{message} `stdnum`"))
            return
        taken = {module.KIND.field for module in KINDS} | RESERVED
        if not (name.isascii() and name.isalnum() and name[0].islower()):
            self.mistakes.append(
                Mistake(keys, "a kind is named like a field: letters and digits, small one first")
            )
        elif attribute_of(name) in taken:
            self.mistakes.append(Mistake(keys, "that name is taken; choose another"))
        if table.description is None:
            self.mistakes.append(Mistake(keys, "a kind of your own needs a `description`"))
        if table.pattern is None and table.stdnum is None:
            self.mistakes.append(Mistake(keys, "a kind of your own needs `pattern` or `stdnum`"))
        self._forms[name] = self._form(keys, table)

    def _form(self, keys: tuple[str, ...], table: KindSettings) -> Form:
        number = None
        if table.stdnum is not None:
            try:
                number = stdnum_module(table.stdnum)
            except KeyError:
                near = nearest(table.stdnum, stdnum_names())
                message = f"python-stdnum has no module {table.stdnum!r}{near}"
                self.mistakes.append(Mistake((*keys, "stdnum"), message))
        return Form(table.strip, table.case, table.pattern, number, table.length_max)

    def _has_kind(self, name: str, table: DeclaredProvider) -> bool:
        known = [*self._built_in, *self._forms]
        if table.kind in known:
            return True
        near = nearest(table.kind, known) or f"; there are {', '.join(known)}"
        keys = ("providers", name, "kind")
        self.mistakes.append(Mistake(keys, f"no kind {table.kind!r}{near}"))
        return False

    def _part_names(self, kind: str) -> Sequence[str]:
        return self._forms[kind].part_names if kind in self._forms else part_names(kind)

    def _parts_of(self, kind: str) -> PartsOf:
        return self._forms[kind].parts if kind in self._forms else parts_of(kind)

    def _checks(self, kind: str) -> list[Check]:
        """Return the checks that configuration adds to `kind`."""
        described: dict[str, str] = {}
        for plan in self._plans.values():
            if plan.key[0] == kind and plan.holder is None:
                said = described.get(plan.key[1]) or plan.table.description or ""
                described[plan.key[1]] = said
        return [
            Check(name, said or "What a service that the configuration declares says of it.")
            for name, said in described.items()
        ]

    def _sheets_for(self, kind: str) -> list[FactSheet]:
        return [sheet for (name, _), sheet in self._sheets.items() if name == kind]

    def _extended(self, module: KindModule) -> KindModule:
        checks = self._checks(module.KIND.name)
        if not checks:
            return module
        return ExtendedKind(module, checks, self._sheets_for(module.KIND.name))

    def _declared(self, name: str, form: Form) -> KindModule:
        table = self._settings.kinds[name]
        kind = Kind(
            name=name,
            field=attribute_of(name),
            description=table.description or "",
            meaning=table.meaning or "The value is well formed, and every service confirms it.",
            checks=(Check("syntax", "Form and check digits.", local=True), *self._checks(name)),
            needs={},
        )
        return DeclaredKind(kind, form, self._sheets_for(name))

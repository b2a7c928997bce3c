"""`assay providers check`: is the configuration right, and what does it declare."""

from collections.abc import Mapping
from pathlib import Path

from rich.text import Text

from checks.declared import DeclaredKind
from gateway.cli.opening import command_errors, settings_of
from gateway.cli.tables import stdout_console
from gateway.declarations import Declarations, declarations_of, explained
from gateway.mistakes import Mistake, nearest
from gateway.policies import policies_of
from gateway.provider_factory import secrets_of
from gateway.rehearsals import Rehearsal, rehearsals_of
from gateway.settings import ConfigurationError, Settings
from providers.catalogue import SERVICES
from providers.declared.conversation import DeclaredService
from providers.declared.settings import HTTP


def check_providers(config: Path | None, data_dir: Path | None) -> None:
    """Show what is declared; nothing is started and nobody is asked.

    Raises:
        CommandError: something is wrong; each mistake with its line and the nearest spelling.
    """
    settings = settings_of(config, data_dir=data_dir)
    with command_errors():
        declarations = declarations_of(settings)
        policies_of(settings, declarations.kinds)
        _refuse_wrong_panels(settings, declarations)
        rehearsals = rehearsals_of(settings, declarations)
    console = stdout_console()
    lines = [*_kinds(declarations), *_services(settings, declarations, rehearsals)]
    for line in lines or ["nothing is declared; the configuration is right"]:
        console.print(Text(line), soft_wrap=True)


def _refuse_wrong_panels(settings: Settings, declarations: Declarations) -> None:
    """Refuse a provider that there is not, or that answers another check than the one it is for.

    Raises:
        ConfigurationError: there is one.
    """
    built_in = {service.NAME: (service.KIND, service.CHECK) for service in SERVICES}
    answers = {**built_in, "dns": ("email", "domain")}
    mistakes: list[Mistake] = []
    for name, table in settings.providers.items():
        service = declarations.services.get(name)
        if service is not None:
            answers[name] = service.KIND, service.CHECK
        elif (table.service or name) in built_in:
            answers[name] = built_in[table.service or name]
        else:
            near = nearest(table.service or name, [*built_in, HTTP])
            told_of = near or f"; there are {', '.join(built_in)}, and http for one of your own"
            message = f"no service {table.service or name!r}{told_of}"
            mistakes.append(Mistake(("providers", name), message))
    for kind, checks in settings.checks.items():
        for check, panel in checks.items():
            keys = ("checks", kind, check, "providers")
            for name in panel.providers or ():
                if name not in answers:
                    near = nearest(name, answers) or f"; there are {', '.join(answers)}"
                    mistakes.append(Mistake(keys, f"no provider {name!r}{near}"))
                elif answers[name] != (kind, check):
                    other = ".".join(answers[name])
                    mistakes.append(Mistake(keys, f"{name!r} answers {other}, not this check"))
    if mistakes:
        raise ConfigurationError(explained(settings, mistakes))


def _kinds(declarations: Declarations) -> list[str]:
    return [
        f"ok  kinds.{kind.KIND.name}: parts {', '.join(kind.form.part_names)}; checks "
        + ", ".join(check.name for check in kind.KIND.checks)
        for kind in declarations.kinds
        if isinstance(kind, DeclaredKind)
    ]


def _services(
    settings: Settings, declarations: Declarations, rehearsals: Mapping[str, Rehearsal]
) -> list[str]:
    return [
        f"ok  providers.{name}: {service.KIND}.{service.CHECK}, {_calls(service)}"
        f"{_facts(service)}{_examples(rehearsals.get(name))}{_missing(settings, name, service)}"
        for name, service in declarations.services.items()
    ]


def _calls(service: DeclaredService) -> str:
    base = str(service.table.base_url).rstrip("/")
    calls = [call for call in (service.table.call, service.table.bulk_call) if call is not None]
    return " and ".join(f"{call.method} {base}{call.path.text}" for call in calls)


def _facts(service: DeclaredService) -> str:
    names = [fact.fact.shown for fact in service.reading.sheet.facts]
    return f"; evidence {', '.join(names)}" if names else "; no evidence"


def _examples(rehearsal: Rehearsal | None) -> str:
    if rehearsal is None:
        return "; no examples for the sandbox"
    count = len(rehearsal.inputs)
    return f"; {count} example{'s' if count > 1 else ''} for the sandbox, read as they say"


def _missing(settings: Settings, name: str, service: DeclaredService) -> str:
    known = secrets_of(settings.providers[name])
    missing = [f"ASSAY_PROVIDERS__{name}__{key}".upper() for key in service.SECRETS]
    missing = [
        variable for variable, key in zip(missing, service.SECRETS, strict=True) if key not in known
    ]
    return f"; not configured yet: set {' and '.join(missing)}" if missing else ""

"""`assay providers check`: is the configuration right, and what does it declare."""

from pathlib import Path

from rich.text import Text

from checks.declared import DeclaredKind
from gateway.assembly import policies_of
from gateway.cli.opening import command_errors, settings_of
from gateway.cli.tables import stdout_console
from gateway.declarations import Declarations, declarations_of
from gateway.provider_factory import secrets_of
from gateway.settings import Settings
from providers.declared.conversation import DeclaredService


def check_providers(config: Path | None, data_dir: Path | None) -> None:
    """Show what is declared; nothing is started and nobody is asked.

    Raises:
        CommandError: something is wrong; each mistake with its line and the nearest spelling.
    """
    settings = settings_of(config, data_dir=data_dir)
    with command_errors():
        declarations = declarations_of(settings)
        policies_of(settings, declarations.kinds)
    console = stdout_console()
    lines = [*_kinds(declarations), *_services(settings, declarations)]
    for line in lines or ["nothing is declared; the configuration is right"]:
        console.print(Text(line), soft_wrap=True)


def _kinds(declarations: Declarations) -> list[str]:
    return [
        f"ok  kinds.{kind.KIND.name}: parts {', '.join(kind.form.part_names)}; checks "
        + ", ".join(check.name for check in kind.KIND.checks)
        for kind in declarations.kinds
        if isinstance(kind, DeclaredKind)
    ]


def _services(settings: Settings, declarations: Declarations) -> list[str]:
    return [
        f"ok  providers.{name}: {service.KIND}.{service.CHECK}, {_calls(service)}"
        f"{_facts(service)}{_missing(settings, name, service)}"
        for name, service in declarations.services.items()
    ]


def _calls(service: DeclaredService) -> str:
    base = str(service.table.base_url).rstrip("/")
    calls = [call for call in (service.table.call, service.table.bulk_call) if call is not None]
    return " and ".join(f"{call.method} {base}{call.path.text}" for call in calls)


def _facts(service: DeclaredService) -> str:
    names = [fact.fact.shown for fact in service.reading.sheet.facts]
    return f"; evidence {', '.join(names)}" if names else "; no evidence"


def _missing(settings: Settings, name: str, service: DeclaredService) -> str:
    known = secrets_of(settings.providers[name])
    missing = [f"ASSAY_PROVIDERS__{name}__{key}".upper() for key in service.SECRETS]
    missing = [
        variable for variable, key in zip(missing, service.SECRETS, strict=True) if key not in known
    ]
    return f"; not configured yet: set {' and '.join(missing)}" if missing else ""

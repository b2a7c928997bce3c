"""Makes declared services out of TOML, as the composition root does."""

import tomllib

from gateway.declarations import Declarations, declarations_of
from gateway.settings import Settings
from providers.declared.conversation import DeclaredService

LOOK_UP = """
service = "http"
kind = "email"
base_url = "https://service.example/v1"
call = { path = "/check/{local}", query = { domain = "{domain}" } }
answer.status = { read = "status", map = { good = "VALID", bad = "INVALID", odd = "RISKY" } }
"""
BATCH = """
service = "http"
kind = "email"
base_url = "https://service.example/v1"
bulk = 10
call = { path = "/check", query = { email = "{value}" } }
bulk_call = { method = "POST", path = "/batch", json = { emails = "{values}" } }
"""


def declarations(text: str) -> Declarations:
    """Return what a whole assay.toml declares."""
    return declarations_of(Settings(**tomllib.loads(text)))


def service(table: str, kinds: str = "") -> DeclaredService:
    """Return the service that one table `[providers.it]` declares, `kinds` standing before it."""
    return declarations(f"{kinds}\n[providers.it]\n{table}").services["it"]

"""What the configuration declares, on the command line: check, test, schema, files."""

import asyncio
import csv
import io
import json
import tomllib
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from gateway.cli.findings import Level
from gateway.cli.network_probes import provider_findings
from gateway.settings import Settings
from tests.declared_standin import Reply, Seen, StandIn, standing_in
from tests.gateway.cli.program import assay, serving
from tests.promises.test_declared import DECLARED, answering

KEY = "s3cr3t/+key"
OAUTH = """
[kinds.taxId]
description = "A number of our own."
pattern = "(?P<area>[0-9]{2})[0-9]{2}"
[providers.taxes]
service = "http"
kind = "taxId"
check = "registry"
base_url = "STAND_IN/v1"
client_id = "ourselves"
client_secret = "hush-hush"
auth = { type = "oauth2", token_url = "STAND_IN/token", credentials = "basic" }
call = { method = "POST", path = "/check/{area}", json = { number = "{value}" } }
answer.errors = [{ when = "error == 'busy'", reason = "RATE_LIMITED" }]
answer.status = { read = "state", map = { known = "VALID" } }
evidence.since = { type = "Date", read = "since" }
"""


def configured(there: StandIn, folder: Path, text: str = DECLARED) -> Path:
    file = folder / "assay.toml"
    file.write_text(text.replace("STAND_IN", there.url).replace('"KEY"', f'"{KEY}"'))
    return file


async def run(folder: Path, *arguments: str, given: bytes = b"") -> CompletedProcess[str]:
    """Run a command while the stand-in answers."""
    return await asyncio.to_thread(lambda: assay(*arguments, cwd=folder, given=given))


async def test_check_says_what_is_declared_and_asks_nobody(tmp_path: Path) -> None:
    async with standing_in(answering) as there:
        configured(there, tmp_path, DECLARED.replace('api_key = "KEY"\n', ""))
        done = await run(tmp_path, "providers", "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "ok  kinds.isin: parts value, country; checks syntax, registry" in done.stdout
    assert f"ok  providers.hunter: email.hunter, GET {there.url}/v2/verify; evidence" in done.stdout
    assert "not configured yet: set ASSAY_PROVIDERS__HUNTER__API_KEY" in done.stdout
    assert there.calls == []


def test_check_explains_every_mistake(tmp_path: Path) -> None:
    text = DECLARED.replace("{value}", "{valu}").replace('"CATCH_ALL"', '"CATCHALL"')
    (tmp_path / "assay.toml").write_text(text.replace("STAND_IN", "http://a.example"))
    done = assay("providers", "check", cwd=tmp_path)
    assert done.returncode == 2
    assert "answer.reasons.map.accept_all: no reason code 'CATCHALL'; did you mean" in done.stderr
    assert "assay.toml, line " in done.stderr
    panel = '[checks.email.hunter]\nproviders = ["huntr", "vies"]\n'
    more = "[providers.second]\nservice = 'veis'\n"
    (tmp_path / "other.toml").write_text(DECLARED.replace("STAND_IN", "http://a") + panel + more)
    done = assay("providers", "check", "--config", "other.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "providers.second: no service 'veis'; did you mean 'vies'?" in done.stderr
    assert "no provider 'huntr'; did you mean 'hunter'?" in done.stderr
    assert "'vies' answers vatNumber.registry, not this check" in done.stderr
    served = assay("serve", "--port", "0", cwd=tmp_path)
    assert served.returncode == 2
    assert "CATCHALL" in served.stderr


async def test_test_shows_call_answer_and_how_each_rule_read_it(tmp_path: Path) -> None:
    async with standing_in(answering) as there:
        configured(there, tmp_path)
        done = await run(tmp_path, "providers", "test", "hunter", "accept_all@B.example")
    assert done.returncode == 0, done.stderr
    shown = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert "value accept_all@b.example" in shown
    assert f"call GET {there.url}/v2/verify?email=accept_all%40b.example&api_key=***" in shown
    assert "answer 200 OK" in shown
    for line in (
        "rule errors.0 errors[0].code == `401` = false -> does not hold",
        "rule success 200 = 200 -> an answer about the value",
        'rule about email = "accept_all@b.example"',
        'rule status status = "accept_all" -> RISKY',
        'rule reasons status = ["accept_all"] -> CATCH_ALL',
        "rule evidence.score score = 97 -> Int",
        'rule evidence.sources sources = ["one", "two"] -> [String]',
        "found DOUBTFUL CATCH_ALL",
    ):
        assert line in shown, done.stdout
    assert KEY not in done.stdout
    (call,) = there.calls
    assert call.asked("api_key") == KEY


async def test_test_hides_tokens_and_says_what_failed(tmp_path: Path) -> None:
    def taxes(seen: Seen) -> Reply:
        if seen.path == "/token":
            return Reply({"access_token": "a-token-of-theirs", "token_type": "bearer"})
        if seen.json["number"] == "0000":
            return Reply({"error": "busy", "echo": seen.headers["authorization"]})
        return Reply({"state": "known", "since": "never"})

    async with standing_in(taxes) as there:
        configured(there, tmp_path, OAUTH)
        busy = await run(tmp_path, "providers", "test", "taxes", "0000")
        drifted = await run(tmp_path, "providers", "test", "taxes", "0001")
    assert (busy.returncode, drifted.returncode) == (1, 1)
    assert "errors.0  error == 'busy'  =  true  ->  RATE_LIMITED" in busy.stdout
    assert "nothing: UNDECIDED, RATE_LIMITED" in busy.stdout
    assert "broken    evidence.since  since  =  null  ->  a fact is no Date" in drifted.stdout
    assert "nothing: UNDECIDED, PROVIDER_PROTOCOL" in drifted.stdout
    for secret in ("hush-hush", "a-token-of-theirs", "b3Vyc2VsdmVzOmh1c2gtaHVzaA=="):
        assert secret not in busy.stdout + drifted.stdout
    assert [call.path for call in there.calls] == ["/token", "/v1/check/00"] * 2


async def test_the_doctor_connects_to_a_declared_service_and_asks_nothing(tmp_path: Path) -> None:
    async with standing_in(answering) as there:
        given: dict[str, Any] = tomllib.loads(configured(there, tmp_path).read_text())
        given["gateway"] = {"sandbox": True}
        settings = Settings(**given)
        found = {one.subject: one async for one in provider_findings(settings)}
    assert found["hunter"].level is Level.ok, found["hunter"]
    assert there.calls == []


async def test_test_asks_the_stand_in_of_an_example_and_nobody_else(tmp_path: Path) -> None:
    """Whatever credentials there are: a real call is made without --sandbox alone."""
    example = (
        '[[providers.hunter.sandbox]]\nvalue = "valid@b.example"\ngives = "VALID"\n'
        """body = '{"data": {"status": "valid", "email": "valid@b.example", "score": 97}}'\n"""
    )
    async with standing_in(answering) as there:
        configured(there, tmp_path, DECLARED + example)
        checked = await run(tmp_path, "providers", "check")
        known = await run(tmp_path, "providers", "test", "hunter", "valid@b.example", "--sandbox")
        other = await run(tmp_path, "providers", "test", "hunter", "other@b.example", "--sandbox")
    assert "; 1 example for the sandbox, read as they say" in checked.stdout
    assert known.returncode == 0, known.stderr
    assert 'rule      status  status  =  "valid"  ->  VALID' in known.stdout
    assert "found     CONFIRMED" in known.stdout
    assert KEY not in known.stdout
    assert other.returncode == 2
    assert "does not know 'other@b.example'; of hunter it knows valid@b.example" in other.stderr
    assert there.calls == []


async def test_test_refuses_what_it_cannot_ask(tmp_path: Path) -> None:
    async with standing_in(answering) as there:
        configured(there, tmp_path)
        for arguments, words in (
            (("hunter", "nobody"), "'nobody' is no value of kind email: MALFORMED"),
            (("huntr", "a@b.example"), "no provider 'huntr' to be asked; did you mean 'hunter'?"),
        ):
            done = await run(tmp_path, "providers", "test", *arguments)
            assert done.returncode == 2
            assert words in done.stderr
    assert there.calls == []


async def test_columns_and_objects_are_read_as_declared_kinds(tmp_path: Path) -> None:
    table = b"Name;Tax-ID;ISIN;mail\nA;0123;US0378331005;valid@b.example\nB;;US5949181045;\n"
    objects = b'{"isin": "US0378331005", "email": "valid@b.example"}\n{"isn": "x"}\n'
    async with standing_in(answering) as there:
        configured(there, tmp_path)
        done = await run(tmp_path, "validate", "-", given=table)
        (tmp_path / "objects.ndjson").write_bytes(objects)
        full = await run(tmp_path, "validate", "objects.ndjson", "--out", "-")
    assert done.returncode == 0, done.stderr
    assert "ISIN    is isin (guessed)" in done.stderr
    assert "Tax-ID  is taxId (guessed)" in done.stderr
    first, second = csv.DictReader(io.StringIO(done.stdout), delimiter=";")
    assert (first["isin_status"], first["taxId_status"], first["email_status"]) == ("VALID",) * 3
    assert (second["isin_status"], second["isin_reasons"]) == ("INVALID", "NOT_REGISTERED")
    verdicts = json.loads(full.stdout.splitlines()[0])["result"]
    assert verdicts["isin"]["registry"] == {"name": "APPLE INC"}
    assert verdicts["email"]["hunter"]["lastSeen"] == "2026-01-02"
    assert verdicts["email"]["domain"]["name"] == "b.example"
    assert "line 2 is no record" in full.stderr


async def test_a_gateway_elsewhere_says_itself_what_it_declares(tmp_path: Path) -> None:
    def serve_and_ask(config: Path) -> CompletedProcess[str]:
        with serving(tmp_path, "--config", str(config)) as running:
            (tmp_path / "there.csv").write_text("isin\nUS0378331005\n")
            return assay(
                *("validate", "there.csv", "--url", running.url, "--format", "ndjson"),
                *("--out", "-"),
                cwd=tmp_path / "elsewhere",
            )

    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "there.csv").write_text("isin\nUS0378331005\n")
    async with standing_in(answering) as there:
        done = await asyncio.to_thread(serve_and_ask, configured(there, tmp_path))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"]["isin"]["registry"] == {"name": "APPLE INC"}


async def test_the_schema_is_printed_with_what_is_declared(tmp_path: Path) -> None:
    async with standing_in(answering) as there:
        configured(there, tmp_path)
        declared = await run(tmp_path, "schema", "--declared")
    assert "type IsinVerdict implements Verdict {" in declared.stdout
    assert "lastSeen: Date" in declared.stdout

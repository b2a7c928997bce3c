import re
import socket
from pathlib import Path

import pytest

from tests.gateway.cli.program import ROOT, assay

COMMANDS = ("serve", "worker", "validate", "kinds", "providers", "doctor", "schema")


def help_of(*command: str) -> str:
    done = assay(*command, "--help", cwd=ROOT)
    assert done.returncode == 0
    return done.stdout


def test_help_teaches(tmp_path: Path) -> None:
    said = help_of()
    assert all(re.search(rf"^  {name} ", said, re.MULTILINE) for name in COMMANDS)
    assert "Exit status" in said
    assert assay("--version", cwd=tmp_path).stdout.startswith("assay ")


def test_the_document_of_the_command_line_is_what_the_program_says() -> None:
    page = (ROOT / "docs" / "cli.md").read_text("utf-8")
    told = re.findall(r"<!-- help: ([a-z]*) -->\n```text\n(.*?)```", page, re.DOTALL)
    assert [name for name, _ in told] == ["", *COMMANDS]
    for name, text in told:
        assert text == help_of(*([name] if name else [])), (
            "run: python -m tests.gateway.cli.write_help"
        )


def test_the_schema_is_printed_the_same_each_time_and_compared(tmp_path: Path) -> None:
    first = assay("schema", cwd=tmp_path, env={"PYTHONHASHSEED": "1"}).stdout
    known = tmp_path / "schema.graphql"
    known.write_text(first, "utf-8")
    same = assay("schema", "--check", known, cwd=tmp_path, env={"PYTHONHASHSEED": "2"})
    assert same.returncode == 0
    known.write_text(first.replace("enum", "emun", 1), "utf-8")
    differs = assay("schema", "--check", known, cwd=tmp_path)
    assert differs.returncode == 1
    assert "is not the schema" in differs.stderr


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("sevre",), "No such command"),
        (("serve", "--prot", "1"), "No such option"),
        (("serve", "--port", "70000"), "--port"),
        (("serve", "--config", "nowhere.toml"), "nowhere.toml: no such file"),
        (("validate",), "FILE"),
        (("validate", "nowhere.csv"), "nowhere.csv: can't be read: No such file"),
        (("validate", "nowhere.csv", "--url", "localhost"), "--url"),
        (("validate", "x.csv", "--max-age", "1 day", "--url", "http://h/"), "PT12H"),
        (("kinds", "emial"), "There is no kind 'emial'"),
    ],
)
def test_wrong_usage_is_status_2_and_one_message(
    arguments: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    done = assay(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "toml, line, words",
    [
        (
            '[gateway]\nhost = "::1"\nport = "x"\n',
            3,
            "gateway.port: input should be a valid integer",
        ),
        ("[gateway]\nhots = 1\n", 2, "gateway.hots: no such setting"),
        ("[providers.vies]\nrates = ['10 a second']\n", 2, "providers.vies.rates"),
        ("[gateway\n", 1, "not TOML"),
    ],
)
def test_a_wrong_configuration_names_file_key_and_line(
    toml: str, line: int, words: str, tmp_path: Path
) -> None:
    (tmp_path / "assay.toml").write_text(toml, "utf-8")
    done = assay("serve", cwd=tmp_path)
    assert done.returncode == 2
    assert "assay.toml" in done.stderr
    assert f"line {line}" in done.stderr
    assert words in done.stderr
    assert not (tmp_path / "data").exists(), "nothing was started"


def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = assay("serve", "--port", str(port), cwd=tmp_path)
    assert done.returncode == 1
    assert f"Can't listen on 127.0.0.1 port {port}: Address already in use." in done.stderr
    assert "--port" in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_valkey_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    env = {
        "ASSAY_REDIS__URL": "redis://me:geheim@127.0.0.1:1/0",
        "ASSAY_CACHE__HASH_KEY": "0123456789abcdef",
    }
    (tmp_path / "a.csv").write_text("email\na@example.org\n", "utf-8")
    for command in (("serve", "--port", "0"), ("validate", "a.csv")):
        done = assay(*command, cwd=tmp_path, env=env)
        assert done.returncode == 1, done.stderr
        assert "The Valkey at redis://127.0.0.1:1/0 does not answer" in done.stderr
        assert "ASSAY_REDIS__URL" in done.stderr
        assert "geheim" not in done.stderr
    assert not (tmp_path / "a.verdicts.csv").exists()


def test_the_doctor_names_what_does_not_work(tmp_path: Path) -> None:
    env = {
        "ASSAY_REDIS__URL": "redis://127.0.0.1:1/0",
        "ASSAY_CACHE__HASH_KEY": "0123456789abcdef",
        "ASSAY_PROVIDERS__GLEIF__BASE_URL": "http://127.0.0.1:1/",
    }
    done = assay("doctor", "--sandbox", cwd=tmp_path, env=env)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert any(line.startswith("fail Valkey ") and "does not answer" in line for line in lines)
    assert any(line.startswith("fail gleif ") and "can't be reached" in line for line in lines)
    assert any(line.startswith("ok   zerobounce ") for line in lines)
    assert lines[-1] == "2 of 17 do not work."


def test_the_doctor_is_content_in_the_sandbox(tmp_path: Path) -> None:
    done = assay("doctor", "--sandbox", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("Everything works")


def test_a_reader_that_goes_away_is_no_drama() -> None:
    done = assay("schema", cwd=ROOT, before=("sh", "-c", '"$@" | head -n 1', "sh"))
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1

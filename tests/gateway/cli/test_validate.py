import csv
import json
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.gateway.cli.program import COMMAND, ROOT, Serving, assay, environment, wait_until

KUNDEN = (
    "\ufeffNr;E-Mail;Telefon;Land;Notiz\n"
    "1;valid@example.com;+44 20 7946 0001;GB;Zoë\n"
    "2;VALID@Example.com;;;\n"
    "3;no-at-sign;;;\n"
    "4;;;GB;leer\n"
    "5;zu;viele;Zellen;hier;sind\n"
    '6;"mailbox_not_found@example.com";;;"a; b"\n'
)


def results(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def test_own_columns_first_then_verdicts_in_the_order_of_the_rows(
    gateway: Serving, tmp_path: Path
) -> None:
    (tmp_path / "kunden.csv").write_text(KUNDEN, "utf-8")
    done = assay("validate", "kunden.csv", "--url", gateway.url, cwd=tmp_path)
    out = tmp_path / "kunden.verdicts.csv"
    assert done.returncode == 1, "a row could not be read"
    assert out.read_bytes().startswith(b"\xef\xbb\xbf"), "as the file, for Excel"
    rows = results(out, ";")
    assert list(rows[0])[:6] == ["Nr", "E-Mail", "Telefon", "Land", "Notiz", "status"]
    assert [row["Nr"] for row in rows] == ["1", "2", "3", "4", "6"]
    assert [row["status"] for row in rows] == ["VALID", "VALID", "INVALID", "", "INVALID"]
    assert rows[0]["phone_normalized"] == "+442079460001"
    assert rows[1]["email_normalized"] == rows[0]["email_normalized"]
    assert rows[2]["email_reasons"] == "MALFORMED"
    assert rows[4]["email_reasons"] == "MAILBOX_NOT_FOUND"
    assert rows[4]["Notiz"] == "a; b"
    for words in (
        "E-Mail   is email (guessed)",
        "left alone: Nr, Notiz",
        "line 6 has 6 cells and the header 5 columns",
        "1 row without anything to validate",
        "Results in kunden.verdicts.csv",
    ):
        assert words in done.stderr, done.stderr


def test_a_results_file_is_overwritten_only_when_forced(gateway: Serving, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("email\nvalid@example.com\n", "utf-8")
    out = tmp_path / "a.verdicts.csv"
    out.write_text("mine")
    done = assay("validate", "a.csv", "--url", gateway.url, cwd=tmp_path)
    assert (done.returncode, out.read_text()) == (2, "mine")
    assert "--force" in done.stderr
    done = assay("validate", "a.csv", "--url", gateway.url, "--force", cwd=tmp_path)
    assert done.returncode == 0
    assert results(out)[0]["status"] == "VALID"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.verdicts.csv"]


def test_a_pipe_in_and_a_pipe_out(gateway: Serving, tmp_path: Path) -> None:
    lines = b'{"ref":"1","email":"valid@example.com"}\n{"emial":"x"}\n{"ref":"3","iban":"DE1"}\n'
    done = assay("validate", "-", "--url", gateway.url, cwd=tmp_path, given=lines)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["line"], one["result"]["status"]) for one in found] == [
        (1, "VALID"),
        (3, "INVALID"),
    ]
    assert found[0]["result"]["email"]["domain"]["mx"] == ["mx.example.com"]
    assert "line 2 is no record" in done.stderr
    assert "did you mean email?" in done.stderr
    assert done.returncode == 1


def test_fields_of_the_clients_own_come_back_with_the_results(
    gateway: Serving, tmp_path: Path
) -> None:
    (tmp_path / "a.ndjson").write_text(
        '{"email":"valid@example.com","customer":7,"tags":["a","b"]}\n{"ref":"2","iban":"DE1"}\n'
    )
    shared = ("validate", "a.ndjson", "--url", gateway.url, "--out", "-")
    full = assay(*shared, cwd=tmp_path).stdout.splitlines()
    assert json.loads(full[0])["given"]["tags"] == ["a", "b"]
    header, *rows = csv.reader(assay(*shared, "--format", "csv", cwd=tmp_path).stdout.splitlines())
    assert header[:4] == ["ref", "customer", "tags", "status"]
    assert [row[:4] for row in rows] == [["", "7", '["a","b"]', "VALID"], ["2", "", "", "INVALID"]]


def test_it_works_alone_with_a_gateway_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("email\tname\nvalid@example.com\tZoë\n", "utf-8")
    done = assay("validate", "a.csv", "--sandbox", "--out", "-", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.splitlines()[1] == "valid@example.com\tZoë\tVALID\tVALID\tvalid@example.com\t"
    )


def test_many_chunks_keep_every_row_and_its_place(gateway: Serving, tmp_path: Path) -> None:
    count = 2_300
    rows = "".join(f"{n},DE{n:020}\n" for n in range(count))
    (tmp_path / "many.csv").write_text("id,iban\n" + rows, "utf-8")
    done = assay("validate", "many.csv", "--url", gateway.url, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [row["id"] for row in results(tmp_path / "many.verdicts.csv")] == [
        str(n) for n in range(count)
    ]
    assert "2,300 rows in" in done.stderr
    assert "0 made, for 0 values" in done.stderr


@pytest.mark.parametrize(
    "content, arguments, words",
    [
        ("", (), "is empty"),
        ("name:email\nx:y\n", (), "name what is between them: --delimiter"),
        ("a,b\n1,2\n", (), "say what they are"),
        ("a,b\n1,2\n", ("--map", "a=emial"), "Did you mean email?"),
        ("email\na@b.example\n", ("--out", "no/such/folder.csv"), "there is no folder"),
        ("email\na@b.example\n", ("--encoding", "utf-9"), "no such encoding"),
        ("email\na@b.example\n", ("--delimiter", "||"), "give one character"),
    ],
)
def test_a_file_or_option_that_makes_no_sense_is_told(
    content: str, arguments: tuple[str, ...], words: str, gateway: Serving, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(content, "utf-8")
    done = assay("validate", "a.csv", "--url", gateway.url, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words.lower() in " ".join(done.stderr.split()).lower(), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_an_output_that_grows_too_large_leaves_no_half_file(
    gateway: Serving, tmp_path: Path
) -> None:
    """A limit on the size of files stands for a disk that is full: the write fails alike."""
    rows = "".join(f"{n},DE{n:020},{'x' * 100}\n" for n in range(2_000))
    (tmp_path / "a.csv").write_text("id,iban,note\n" + rows, "utf-8")
    limited = ("sh", "-c", 'ulimit -f 100; exec "$@"', "sh")
    done = assay("validate", "a.csv", "--url", gateway.url, cwd=tmp_path, before=limited)
    assert done.returncode == 1
    assert "a.verdicts.csv: the results can't be written" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_gateway_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("email\na@b.example\n", "utf-8")
    done = assay("validate", "a.csv", "--url", "http://127.0.0.1:1/graphql", cwd=tmp_path)
    assert done.returncode == 1
    assert "No gateway answers at http://127.0.0.1:1/graphql" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_something_else_that_answers_is_told(gateway: Serving, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("email\na@b.example\n", "utf-8")
    url = gateway.url.replace("/graphql", "/nowhere")
    done = assay("validate", "a.csv", "--url", url, cwd=tmp_path)
    assert done.returncode == 1
    assert "is no GraphQL endpoint" in done.stderr


def test_ctrl_c_keeps_what_is_done(gateway: Serving, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    out = tmp_path / "out.csv"
    command = [*COMMAND, "validate", "-", "--url", gateway.url, "--out", str(out)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdin=reading, stderr=subprocess.PIPE
    ) as process:
        os.close(reading)
        rows = b"".join(b"%d,DE%020d\n" % (n, n) for n in range(2_000))
        os.write(writing, b"id,iban\n" + rows)

        def written() -> bool:
            parts = list(tmp_path.glob(".out.csv.*.part"))
            return bool(parts) and parts[0].stat().st_size > 10_000

        wait_until(written)
        process.send_signal(signal.SIGINT)
        os.write(writing, b"1,2\n")
        os.close(writing)
        said = process.communicate(timeout=20)[1].decode()
    assert process.returncode == 130, said
    assert "Interrupted. The results of the first" in said
    assert "Traceback" not in said
    kept = results(out)
    assert [row["id"] for row in kept] == [str(n) for n in range(len(kept))]
    assert list(tmp_path.iterdir()) == [out]


def test_the_demo_shows_everything_and_leaves_nothing_running(tmp_path: Path) -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    done = subprocess.run(
        [*COMMAND[:2], "examples.demo"],
        cwd=ROOT,
        env=environment(TMPDIR=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for words in (
        "2,400 rows in",
        "Provider calls",
        "known from the cache",
        "contacts.verdicts.csv",
    ):
        assert words in done.stderr
    assert "RATE_LIMITED" not in done.stderr
    assert len(results(ROOT / "data/demo/contacts.verdicts.csv")) == 2_400
    assert list(tmp_path.glob("assay-demo-*")) == []
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before


def test_ctrl_c_ends_the_demo_and_what_it_started(tmp_path: Path) -> None:
    command = [*COMMAND[:2], "examples.demo"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(TMPDIR=str(tmp_path)), stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        said = b""
        while b"rows/s" not in said:  # it is asking by now, and hears signals
            said += os.read(process.stderr.fileno(), 4096)
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)[1]
    assert process.returncode == 130, rest
    assert b"Traceback" not in rest
    wait_until(lambda: not any(one.is_running() for one in family))
    assert list(tmp_path.glob("assay-demo-*")) == []

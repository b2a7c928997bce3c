"""`assay batch` against an Assay that runs, as people use it: the whole life of a batch."""

import csv
import gzip
import json
import os
import re
import select
import signal
import subprocess
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gateway.cli.cutting import cutting
from tests.gateway.cli.program import COMMAND, Serving, assay, environment, serving, wait_until

SAID_WAIT_S = 40.0
KUNDEN = (
    "Nr;E-Mail;Umsatzsteuer;Notiz\n"
    "1;valid@example.com;;Zoë\n"
    "2;no-at-sign;;\n"
    "3;antispam_system@example.com;;wehrt sich\n"
    "4;;;nichts\n"
)
SLOW = """
[providers.twilio_lookup]
rates = ["20/s"]
price = 0.01

[batches]
lease_s = 1
"""
"""Of an Assay that takes its time, so that a test can come in between."""


def phones(count: int, first: int = 0) -> str:
    """Return a file of numbers that no other test asks about."""
    return "phone\n" + "".join(f"+44 20 7946 {n:04}\n" for n in range(first, first + count))


def base(gateway: Serving) -> str:
    return gateway.url.removesuffix("/graphql")


def submitted(path: Path, url: str, *more: str) -> str:
    done = assay("batch", "submit", path, "--url", url, *more, cwd=path.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def table(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def names(url: str) -> set[str | None]:
    """Return the names of the batches that there are."""
    body = json.dumps({"query": "{ batches { nodes { name } } }"}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=SAID_WAIT_S) as answer:  # noqa: S310
        found = json.load(answer)
    return {one["name"] for one in found["data"]["batches"]["nodes"]}


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Generator[Serving]:
    folder = Path(tmp_path_factory.mktemp("slow"))
    (folder / "empty.toml").write_text(SLOW)
    with serving(folder, "--sandbox") as running:
        yield running


class Running:
    """A command under way."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.said = ""

    def until(self, pattern: str) -> re.Match[str]:
        """Return the first match in what it says on standard error."""
        assert self.process.stderr is not None
        end = time.monotonic() + SAID_WAIT_S
        while (found := re.search(pattern, self.said)) is None:
            left_s = max(0.0, end - time.monotonic())
            assert select.select([self.process.stderr], [], [], left_s)[0], self.said
            more = os.read(self.process.stderr.fileno(), 4096)
            assert more, self.said
            self.said += more.decode()
        return found

    def end(self) -> int:
        """Return its exit status, when it has ended by itself."""
        self.said += self.process.communicate(timeout=SAID_WAIT_S)[1].decode()
        assert "Traceback" not in self.said, self.said
        return self.process.returncode


@contextmanager
def begun(cwd: Path, *arguments: str) -> Generator[Running]:
    with subprocess.Popen(
        [*COMMAND, "batch", *arguments],
        cwd=cwd,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield Running(process)
        finally:
            process.kill()


def test_the_whole_life_of_a_batch(gateway: Serving, tmp_path: Path) -> None:
    (tmp_path / "kunden.csv").write_text(KUNDEN, "utf-8")
    told = ("--url", base(gateway))

    done = assay(
        "batch", "submit", "kunden.csv", "--map", "Umsatzsteuer=vatNumber", "--name", "Mai",
        "--priority", "5", "--follow", *told, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1, "a row is not in the batch"
    id_ = done.stdout.strip()
    for words in (
        "E-Mail        is email (guessed; --map changes it)",
        "Umsatzsteuer  is vatNumber\n",
        "carried through: Nr, Notiz",
        "1 row is not in the batch:",
        "line 5 has nothing to validate",
        f"3 records in batch {id_}",
        "MAILBOX_UNREACHABLE 1",
        f"{id_} is COMPLETED.",
        f"assay batch retry {id_} --url {told[1]}",
    ):
        assert words in done.stderr, done.stderr

    listed = json.loads(assay("batch", "list", "--json", *told, cwd=tmp_path).stdout)
    assert [one["name"] for one in listed if one["id"] == id_] == ["Mai"]
    shown = assay("batch", "show", id_, *told, cwd=tmp_path).stdout
    assert "COMPLETED: 3 of 3 records" in shown
    assert re.search(r"^priority +5$", shown, re.MULTILINE)

    done = assay("batch", "results", id_, "--out", "checked.csv", *told, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = table(tmp_path / "checked.csv")
    assert list(rows[0])[:5] == ["Nr", "E-Mail", "Umsatzsteuer", "Notiz", "status"]
    assert [(row["Nr"], row["status"]) for row in rows] == [
        ("1", "VALID"),
        ("2", "INVALID"),
        ("3", "UNKNOWN"),
    ]
    done = assay("batch", "results", id_, "--out", "checked.csv", *told, cwd=tmp_path)
    assert (done.returncode, "--force" in done.stderr) == (2, True)
    done = assay(
        "batch", "results", id_, "--format", "ndjson", "--status", "invalid", *told, cwd=tmp_path
    )
    assert [json.loads(line)["line"] for line in done.stdout.splitlines()] == [3]
    done = assay("batch", "results", id_, "--out", "x.parquet", "--wait", *told, cwd=tmp_path)
    assert (tmp_path / "x.parquet").read_bytes()[:4] == b"PAR1", done.stderr

    done = assay("batch", "retry", id_, "--follow", *told, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{id_} is QUEUED" in done.stdout
    assert f"{id_} is COMPLETED." in done.stderr

    done = assay("batch", "delete", id_, *told, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{id_} is deleted\n")
    done = assay("batch", "show", id_, *told, cwd=tmp_path)
    assert done.returncode == 1
    assert f"has no batch '{id_}'" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"kunden.csv", "checked.csv", "x.parquet"}


def test_standard_input_waits_for_its_start_and_keeps_to_its_cap(
    slow: Serving, tmp_path: Path
) -> None:
    told = ("--url", base(slow))
    given = gzip.compress(phones(30, 9_000).encode())
    done = assay("batch", "submit", "-", "--no-start", *told, cwd=tmp_path, given=given)
    assert done.returncode == 0, done.stderr
    id_ = done.stdout.strip()
    assert "twilio_lookup (line): 30 values in 30 calls, 0.30" in done.stderr
    assert f"assay batch start {id_}" in done.stderr
    done = assay("batch", "follow", id_, *told, cwd=tmp_path)
    assert (done.returncode, f"{id_} is DRAFT." in done.stderr) == (1, True)

    done = assay("batch", "start", id_, "--cost-cap", "0.20", *told, cwd=tmp_path)
    assert done.returncode == 1
    assert "more than its costCap of 0.2" in done.stderr
    assert "--cost-cap AMOUNT" in done.stderr
    assert "state     CAPPED" in assay("batch", "show", id_, *told, cwd=tmp_path).stdout
    done = assay("batch", "start", id_, "--cost-cap", "0.40", "--follow", *told, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "30 made" in done.stderr
    assert "at a cost of 0.30" in done.stderr


def test_ctrl_c_leaves_the_batch_running_and_cancel_ends_it(slow: Serving, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(phones(2_000))
    told = ("--url", base(slow))
    done = assay("batch", "submit", "a.csv", "--no-start", *told, cwd=tmp_path)
    assert re.search(r"2,000 calls, 20\.00 EUR, at least 0:0[1-9]:", done.stderr), done.stderr
    with begun(tmp_path, "start", done.stdout.strip(), "--follow", *told) as running:
        running.until(r"RUNNING")
        running.process.send_signal(signal.SIGINT)
        assert running.end() == 130
    again = re.search(r"Come back with: assay batch (follow (\S+) .*)", running.said)
    assert again is not None, running.said
    id_ = again[2]
    done = assay("batch", "pause", id_, *told, cwd=tmp_path)
    assert "PAUSED (until somebody resumes it)" in done.stdout, done.stderr
    assert "is QUEUED" in assay("batch", "resume", id_, *told, cwd=tmp_path).stdout
    assert " is CANCEL" in assay("batch", "cancel", id_, *told, cwd=tmp_path).stdout
    done = assay("batch", *again[1].split(), cwd=tmp_path)
    assert done.returncode == 1
    assert f"{id_} is CANCELLED." in done.stderr
    rows = assay("batch", "results", id_, *told, cwd=tmp_path).stdout.splitlines()[1:]
    assert len(rows) < 2_000
    done = assay("batch", "resume", id_, *told, cwd=tmp_path)
    assert (done.returncode, "CANCELLED" in done.stderr) == (1, True)


def test_following_survives_an_assay_that_is_killed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "empty.toml").write_text(SLOW)
    (tmp_path / "a.csv").write_text(phones(60))
    with serving(data, "--sandbox") as first:
        url = base(first)
        id_ = submitted(tmp_path / "a.csv", url)
        with begun(tmp_path, "follow", id_, "--url", url) as running:
            running.until(r"RUNNING")
            first.stop(signal.SIGKILL)
            running.until(r"Trying again")
            with serving(data, "--sandbox", "--port", url.rpartition(":")[2]):
                assert running.end() == 0, running.said
    assert f"{url} is back." in running.said
    assert f"{id_} is COMPLETED." in running.said
    assert "60 of 60 records" in running.said


def test_a_broken_connection_costs_a_piece_of_the_file_and_no_row(
    gateway: Serving, tmp_path: Path
) -> None:
    count = 150_000
    rows = "".join(f"{n},DE{n:020}\n" for n in range(count))
    (tmp_path / "big.csv").write_text("id,iban\n" + rows)
    with cutting(base(gateway), 3_000_000) as between:
        done = assay(
            "batch", "submit", "big.csv", "--no-start", "--url", between.url, cwd=tmp_path
        )  # fmt: skip
        assert between.cuts == 1
    assert done.returncode == 0, done.stderr
    assert "Trying again" in done.stderr
    assert "is back" in done.stderr
    assert f"{count:,} records in batch" in done.stderr
    told = ("--url", base(gateway))
    assert assay("batch", "delete", done.stdout.strip(), *told, cwd=tmp_path).returncode == 0


def test_a_file_whose_sending_was_interrupted_is_gone_on_with(
    gateway: Serving, tmp_path: Path
) -> None:
    count = 150_000
    rows = "".join(f"{n},DE{n:020}\n" for n in range(count))
    (tmp_path / "big.csv").write_text("id,iban\n" + rows)
    with (
        cutting(base(gateway), 3_000_000, still=True) as between,
        begun(tmp_path, "submit", "big.csv", "--url", between.url) as running,
    ):
        assert between.reached.wait(SAID_WAIT_S)
        running.process.send_signal(signal.SIGINT)
        assert running.end() == 130
        found = re.search(r"assay batch submit big.csv --resume (\S+)", running.said)
        assert found is not None, running.said
    told = ("--url", base(gateway))
    (tmp_path / "other.csv").write_text("id,iban\n1,2\n")
    done = assay("batch", "submit", "other.csv", "--resume", found[1], *told, cwd=tmp_path)
    assert (done.returncode, "shorter than what arrived" in done.stderr) == (2, True)
    done = assay(
        "batch", "submit", "big.csv", "--resume", found[1], "--no-start", *told, cwd=tmp_path
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{count:,} records in batch {found[1]}" in done.stderr
    assert assay("batch", "delete", found[1], *told, cwd=tmp_path).returncode == 0


def test_ctrl_c_does_not_wait_for_a_pipe_that_says_nothing(
    gateway: Serving, tmp_path: Path
) -> None:
    told = ("--url", base(gateway))
    with begun(tmp_path, "submit", "-", "--name", "a pipe", *told) as running:
        wait_until(lambda: "a pipe" in names(gateway.url), SAID_WAIT_S)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(SAID_WAIT_S) == 130
        found = running.until(r"assay batch delete (\S+)")
    assert assay("batch", "delete", found[1], *told, cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    "content, arguments, words",
    [
        ("", (), "is empty"),
        ("a,b\n1,2\n", (), "map"),
        ("email\n", (), "no row behind it"),
        ("email\na@b.example\n", ("--map", "email=emial"), "Did you mean email?"),
        ("email\na@b.example\n", ("--priority", "500"), "--priority"),
        ("email\na@b.example\n", ("--cost-cap", "much"), "12.50"),
        ("email\na@b.example\n", ("--start-after", "soon"), "2026-12-24T22:00"),
        (
            "email\na@b.example\n",
            ("--start-after", "9999-12-31T23:59:59-14:00"),
            "2026-12-24T22:00",
        ),
        ("email\na@b.example\n", ("--max-age", "2d"), "PT12H or P30D"),
        ("email\na@b.example\n", ("--webhook", "https://a.example"), "webhooks.secret"),
        ("email\na@b.example\n", ("--no-start", "--follow"), "--no-start"),
        ("email\na@b.example\n", ("--resume", "x", "--map", "email="), "--resume"),
    ],
)
def test_what_makes_no_sense_is_told_and_leaves_nothing(
    content: str, arguments: tuple[str, ...], words: str, gateway: Serving, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(content)
    url = base(gateway)
    done = assay("batch", "submit", "a.csv", *arguments, "--url", url, cwd=tmp_path)
    assert done.returncode in {1, 2}
    assert words.lower() in " ".join(done.stderr.split()).lower(), done.stderr
    assert done.stdout == ""
    assert not {"a.csv", None} & names(gateway.url)


def test_nobody_listens_and_nobody_is_known(gateway: Serving, tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:1"
    (tmp_path / "a.csv").write_text("email\na@b.example\n")
    for command in (("submit", "a.csv"), ("list",), ("follow", "x"), ("results", "x")):
        done = assay("batch", *command, "--url", nowhere, cwd=tmp_path)
        assert done.returncode == 1
        assert "answers at http://127.0.0.1:1" in done.stderr
        assert "assay serve" in done.stderr
    for command in ("show", "follow", "results", "cancel"):
        done = assay("batch", command, "nope", "--url", gateway.url, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert "has no batch 'nope'" in done.stderr
        assert "assay batch list --url" in done.stderr


def test_without_an_url_it_asks_the_assay_of_the_configuration(
    gateway: Serving, tmp_path: Path
) -> None:
    port = base(gateway).rpartition(":")[2]
    (tmp_path / "assay.toml").write_text(f'[gateway]\nhost = "0.0.0.0"\nport = {port}\n')
    done = assay("batch", "list", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), list)

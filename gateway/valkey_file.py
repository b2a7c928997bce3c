"""The end of Valkey's append-only file after a power cut: cut off where it makes no sense.

A file that merely ends too early Valkey mends by itself (`aof-load-truncated`). One that ends in
nonsense, such as the zeros that a file system leaves, it refuses. The binary holds the mender,
too: it acts as `valkey-check-aof` when it is called so.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from gateway.inherited import inherited

REFUSAL = "Bad file format reading the append only file"
TAIL_MAX_BYTES = 1024 * 1024
"""More than this is no torn end but a damaged file, and a person decides."""
CHECK_WAIT_S = 60.0


def cut_corrupt_end(binary: Path, directory: Path) -> str | None:
    """Cut the nonsense at the end of the newest file off, keep a copy, and say what was done.

    Returns None when nothing was done: there is no such file, it is sound, or too much is wrong.
    """
    newest = newest_part(directory / "appendonlydir")
    if newest is None:
        return None
    # Each number must be there, else this is not the answer that we know how to read.
    found = re.search(r"size=(\d+), ok_up_to=(\d+)", check(binary, newest))
    if found is None:
        return None
    size, sound = int(found[1]), int(found[2])
    if not 0 < size - sound <= TAIL_MAX_BYTES:
        return None
    copy = newest.with_name(f"{newest.name}.corrupt")
    shutil.copy2(newest, copy)
    check(binary, newest, "--fix")
    return (
        f"the end of {newest} made no sense, as after a power cut: its last {size - sound:,} bytes"
        f" were cut off; the file as it was is {copy}"
    )


def newest_part(folder: Path) -> Path | None:
    """Return the file that was written last, by the manifest in `folder`."""
    try:
        manifest = (folder / "appendonly.aof.manifest").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    parts = re.findall(r"^file (\S+) seq \d+ type i", manifest, re.MULTILINE)
    return folder / parts[-1] if parts else None


def check(binary: Path, file: Path, *options: str) -> str:
    """Run the mender on `file` and return what it says; it asks before it cuts."""
    done = subprocess.run(
        ["valkey-check-aof", *options, str(file)],  # noqa: S607 - a name; `executable` is run
        executable=binary,
        env=inherited(),
        input="y\n",
        capture_output=True,
        text=True,
        errors="replace",
        timeout=CHECK_WAIT_S,
        check=False,
    )
    return done.stdout

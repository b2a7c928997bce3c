"""The GraphiQL page and the files that it loads, all of them ours to serve.

Nothing is fetched from elsewhere: `console/build.py` put the files into `console/assets/`, under
names that hold a part of their content's hash, so that a browser may keep them for ever.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

ASSETS_PATH = "/assets/"
ASSET_MAX_AGE_S = 31_536_000
ASSET_CACHE_CONTROL = f"public, max-age={ASSET_MAX_AGE_S}, immutable"

# The operations that a first visitor finds, in the order of their tabs.
EXAMPLES = ("validate", "evidence", "consistency", "local_facts", "kinds", "providers")

_HERE = Path(__file__).resolve().parent
_MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,86}")


class AssetsMissingError(Exception):
    """The files of the page are not built, or not all of them."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that the page loads.

    `path` is where the page asks for it, `file` and `gzipped` are the same content on the disk,
    `media_type` is its Content-Type and `integrity` its subresource integrity.
    """

    path: str
    file: Path
    gzipped: Path
    media_type: str
    integrity: str


def assets() -> Mapping[str, Asset]:
    """Return every file that the page loads, by path, in the order in which it loads them.

    The first call reads the disk for the page too: make it while the app is built, before any
    loop runs. Raises `AssetsMissingError` when the files are not built.
    """
    return _built().assets


def graphiql_page(nonce: str) -> str:
    """Return the page for one response, whose Content-Security-Policy names the same `nonce`.

    A nonce is 16 to 86 letters, digits, `-` or `_`, fresh for each response; `ValueError` if not.
    Raises `AssetsMissingError` when the files that the page loads are not built.
    """
    if not _NONCE.fullmatch(nonce):
        message = "a nonce must be 16 to 86 characters of the URL-safe base64 alphabet"
        raise ValueError(message)
    return _built().template.replace("@@nonce@@", nonce)


def content_security_policy(nonce: str) -> str:
    """Return the policy under which the page runs: this server only, and scripts by `nonce`.

    `connect-src 'self'` covers the WebSocket of subscriptions, which is at the same address.
    Source: Content Security Policy Level 3, sections 6.1 and 6.7.
    """
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "connect-src 'self'; font-src data:; img-src 'self' data:; "
        f"script-src 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'"
    )


@dataclass(frozen=True, slots=True)
class _Built:
    assets: Mapping[str, Asset]
    template: str


@cache
def _built() -> _Built:
    """Read the manifest and fill the assets' addresses into the page; the nonce stays open."""
    manifest = _HERE / "assets" / "manifest.json"
    try:
        told: dict[str, dict[str, str]] = json.loads(manifest.read_bytes())
    except FileNotFoundError as error:
        raise AssetsMissingError(_unbuilt(manifest)) from error
    found = [_asset(entry["file"], entry["integrity"]) for entry in told.values()]
    for file in (file for asset in found for file in (asset.file, asset.gzipped)):
        if not file.is_file():
            raise AssetsMissingError(_unbuilt(file))
    return _Built(MappingProxyType({asset.path: asset for asset in found}), _template(found))


def _template(found: Sequence[Asset]) -> str:
    links = "\n".join(
        f'<link rel="stylesheet" href="{asset.path}" integrity="{asset.integrity}">'
        for asset in found
        if asset.file.suffix == ".css"
    )
    tags = "\n".join(
        f'<script nonce="@@nonce@@" src="{asset.path}" integrity="{asset.integrity}"></script>'
        for asset in found
        if asset.file.suffix == ".js"
    )
    examples = json.dumps([_example(name) for name in EXAMPLES]).replace("<", "\\u003c")
    text = (_HERE / "graphiql.html").read_text("utf-8").replace("@@examples@@", examples)
    return text.replace("<!-- stylesheets -->", links).replace("<!-- scripts -->", tags)


def _example(name: str) -> dict[str, str]:
    """Return an example operation as GraphiQL takes a tab."""
    folder = _HERE / "examples"
    tab = {"query": (folder / f"{name}.graphql").read_text("utf-8")}
    variables = folder / f"{name}.json"
    if variables.is_file():
        tab["variables"] = variables.read_text("utf-8").rstrip()
    return tab


def _asset(name: str, integrity: str) -> Asset:
    file = _HERE / "assets" / name
    return Asset(
        path=ASSETS_PATH + name,
        file=file,
        gzipped=file.with_name(f"{name}.gz"),
        media_type=_MEDIA_TYPES[file.suffix],
        integrity=integrity,
    )


def _unbuilt(file: Path) -> str:
    return f"the console page is not built: {file} is missing. Run 'make setup' to build it."

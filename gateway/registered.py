"""Documents that clients name instead of sending them: trusted ones, and those seen before.

A trusted document lies in a folder as a `.graphql` file, and is asked for by `documentId`, which is
`sha256:` and the hash of its text (the persisted documents of the GraphQL-over-HTTP draft). Where
only these are run, nobody else's document is. Automatic persisted queries are Apollo's
(`extensions.persistedQuery`): a client sends a document once, and its hash from then on.
"""

import logging
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import cast

from gateway.asked import Asked, Refusal, asked_of
from gateway.settings import ConfigurationError, DocumentsSettings
from schema.lane.documents import DOCUMENT_CHARS_MAX, RecentlyUsed

SUFFIX = ".graphql"
TRUSTED_MAX = 10_000
AUTOMATIC_MAX = 1_000
"""Documents that this process keeps because clients sent them once."""
_SHA256 = "sha256:"
_PERSISTED = "persistedQuery"

_log = logging.getLogger(__name__)


def trusted_in(folder: Path) -> dict[str, str]:
    """Return the documents in `folder` and the folders in it, by the hash of their text.

    Raises:
        ConfigurationError: there is no such folder, or a file in it cannot be read.
    """
    found: dict[str, str] = {}
    try:
        files = sorted(folder.rglob(f"*{SUFFIX}"))
        if not folder.is_dir() or len(files) > TRUSTED_MAX:
            raise ConfigurationError(
                f"documents.folder: {folder} must be a folder with at most {TRUSTED_MAX} documents"
                f" (*{SUFFIX})"
            )
        for file in files:
            text = file.read_text(encoding="utf-8")
            found[sha256(text.encode()).hexdigest()] = text
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"documents.folder: {folder} cannot be read: {error}") from None
    return found


class Registered:
    """Knows the documents that requests name."""

    def __init__(
        self, trusted: Mapping[str, str], *, only: bool = False, automatic: bool = False
    ) -> None:
        """Know `trusted` ones, by hash. With `only`, nothing else is run."""
        self._trusted = trusted
        self._texts = frozenset(trusted.values()) if only else None
        self._kept: RecentlyUsed[str, str] | None = (
            RecentlyUsed(AUTOMATIC_MAX) if automatic and not only else None
        )

    @classmethod
    def of(cls, settings: DocumentsSettings) -> "Registered":
        """Return what `settings` say. Raise ConfigurationError where the folder is of no use."""
        trusted = {} if settings.folder is None else trusted_in(settings.folder)
        if trusted or settings.only:
            told = {"count": len(trusted), "only": settings.only}
            _log.info("trusted documents", extra=told)
        return cls(trusted, only=settings.only, automatic=settings.automatic)

    def asked(self, members: object) -> Asked:
        """Return what a request asks, whose document it may only name.

        Raises:
            Refusal: it is not what GraphQL over HTTP describes; the document is not known, or is
                none of those that are run.
        """
        asked = asked_of(members, self._find)
        if self._texts is not None and asked.query not in self._texts:
            raise Refusal(
                403,
                "DOCUMENT_NOT_TRUSTED",
                "Only registered documents are run here; name one by `documentId`.",
            )
        if self._kept is not None and asked.extensions is not None:
            self._keep(asked, asked.extensions.get(_PERSISTED), self._kept)
        return asked

    def _find(self, members: Mapping[str, object]) -> str:
        id_ = members.get("documentId")
        if isinstance(id_, str):
            found = self._trusted.get(id_.removeprefix(_SHA256))
            if found is None:
                raise Refusal(
                    404, "DOCUMENT_NOT_FOUND", "There is no document of this `documentId`."
                )
            return found
        extensions = members.get("extensions")
        if isinstance(extensions, dict):
            hash_ = _hash_in(cast("dict[str, object]", extensions).get(_PERSISTED))
            if hash_ is not None:
                return self._persisted(hash_)
        raise Refusal(
            400,
            "BAD_REQUEST",
            "`query` must be a string that holds the document, or `documentId` name one.",
        )

    def _persisted(self, hash_: str) -> str:
        found = self._trusted.get(hash_)
        if found is None and self._kept is not None:
            found = self._kept.get(hash_)
        if found is not None:
            return found
        # the words and codes that Apollo's clients look for; they send it whole then
        if self._kept is None:
            raise Refusal(200, "PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")
        raise Refusal(200, "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")

    def _keep(self, asked: Asked, persisted: object, kept: RecentlyUsed[str, str]) -> None:
        hash_ = _hash_in(persisted)
        if hash_ is None or len(asked.query) > DOCUMENT_CHARS_MAX or kept.get(hash_) is not None:
            return
        if sha256(asked.query.encode()).hexdigest() != hash_:
            raise Refusal(400, "BAD_REQUEST", "provided sha does not match query")
        kept.put(hash_, asked.query)


def _hash_in(persisted: object) -> str | None:
    """Return the hash in an extension `persistedQuery`; None when there is none."""
    if not isinstance(persisted, dict):
        return None
    found = cast("dict[str, object]", persisted)
    hash_ = found.get("sha256Hash")
    return hash_ if found.get("version") == 1 and isinstance(hash_, str) else None

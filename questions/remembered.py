"""Verdicts that were given, kept in this process for texts that come again."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from questions.usage import Usage
from verdicts.verdict import Source, Verdict

KEPT_MAX = 50_000


class Remembered(Struct, frozen=True, gc=False):
    """A verdict and the questions that remembering it saves."""

    verdict: Verdict
    expires_at: datetime | None
    decided_at: datetime
    saved_by_cache: int
    saved_by_local_checks: int


class Verdicts:
    """Verdicts of one kind for one set of checks, by the text as sent; the oldest goes first."""

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        """Keep at most `kept_max` verdicts."""
        self._kept: dict[str, Remembered] = {}
        self._kept_max = kept_max

    def recall(
        self, texts: Sequence[str], now: datetime, not_before: datetime | None, usage: Usage
    ) -> tuple[list[Verdict | None], list[int]]:
        """Return the verdict of each text that is known and fresh, and where one is missing."""
        kept = self._kept
        verdicts: list[Verdict | None] = []
        missing: list[int] = []
        by_cache = by_local_checks = 0
        for at, text in enumerate(texts):
            known = kept.get(text)
            if (
                known is None
                or (known.expires_at is not None and known.expires_at <= now)
                or (
                    not_before is not None
                    and known.saved_by_cache
                    and known.decided_at < not_before
                )
            ):
                verdicts.append(None)
                missing.append(at)
            else:
                verdicts.append(known.verdict)
                by_cache += known.saved_by_cache
                by_local_checks += known.saved_by_local_checks
        usage.saved_by_cache += by_cache
        usage.saved_by_local_checks += by_local_checks
        return verdicts, missing

    def remember(self, text: str, verdict: Verdict, asked: int) -> None:
        """Keep `verdict` for `text` if all that it rests on is kept; `asked` checks were wanted."""
        answers = [one for one in verdict.outcomes if one.found_at is not None]
        if any(one.expires_at is None for one in answers):
            return
        if verdict.normalized is not None and not answers and asked:
            return  # a deadline passed: nothing was found
        if len(self._kept) >= self._kept_max and text not in self._kept:
            del self._kept[next(iter(self._kept))]
        self._kept[text] = Remembered(
            _recalled(verdict) if answers else verdict,
            verdict.expires_at,
            verdict.decided_at,
            len(answers),
            0 if verdict.normalized is not None else asked,
        )


def _recalled(verdict: Verdict) -> Verdict:
    """Return `verdict` as it will be shown when it is recalled."""
    if verdict.source is Source.CACHE:
        return verdict
    return replace(verdict, source=Source.CACHE)

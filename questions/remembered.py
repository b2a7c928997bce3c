"""Verdicts that were given, kept in this process for texts that come again."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from cache.bounded import Bounded
from questions.usage import Usage
from verdicts.outcome import Conclusion
from verdicts.verdict import Source, Verdict

KEPT_MAX = 50_000


class Remembered(Struct, frozen=True, gc=False):
    """A verdict and the questions that remembering it saves."""

    verdict: Verdict
    saved_by_cache: int
    saved_by_local_checks: int


class Verdicts:
    """Verdicts of one kind for one set of checks, by the text as sent; the oldest go first."""

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        """Keep at most `kept_max` verdicts."""
        self._kept: Bounded[str, Remembered] = Bounded(kept_max)

    def recall(
        self, texts: Sequence[str], now: datetime, not_before: datetime | None, usage: Usage
    ) -> tuple[list[Verdict | None], list[int]]:
        """Return the verdict of each text that is known and fresh, and where one is missing."""
        get = self._kept.get
        verdicts: list[Verdict | None] = []
        missing: list[int] = []
        by_cache = by_local_checks = 0
        for at, text in enumerate(texts):
            known = get(text)
            if known is None or not _is_fresh(known.verdict, now, not_before):
                verdicts.append(None)
                missing.append(at)
                continue
            if known.verdict.source is Source.PROVIDER:
                known = replace(known, verdict=replace(known.verdict, source=Source.CACHE))
                self._kept.put(text, known)
            verdicts.append(known.verdict)
            by_cache += known.saved_by_cache
            by_local_checks += known.saved_by_local_checks
        usage.saved_by_cache += by_cache
        usage.saved_by_local_checks += by_local_checks
        return verdicts, missing

    def remember(self, text: str, verdict: Verdict, asked: int) -> None:
        """Keep `verdict` for `text` if all that it rests on is kept; `asked` checks were wanted."""
        answers = 0
        for one in verdict.outcomes:
            if one.expires_at is not None:
                answers += 1
            elif one.found_at is not None or one.conclusion is Conclusion.UNDECIDED:
                return  # not to be kept, or not found in time
        saved = 0 if verdict.normalized is not None else asked
        self._kept.put(text, Remembered(verdict, answers, saved))


def _is_fresh(verdict: Verdict, now: datetime, not_before: datetime | None) -> bool:
    if verdict.expires_at is None:
        return True  # nobody was asked: the same text has the same verdict for ever
    return verdict.expires_at > now and (not_before is None or verdict.decided_at >= not_before)

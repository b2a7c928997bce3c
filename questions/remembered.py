"""Verdicts that were given, kept in this process for texts that come again."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from cache.bounded import Bounded
from questions.usage import Usage
from verdicts.outcome import UNDECIDED, Outcome
from verdicts.verdict import CACHE, PROVIDER, Verdict

KEPT_MAX = 50_000


Remembered = tuple[Verdict, int, int]
"""A verdict and the questions that remembering it saves: by the cache, by local checks."""


class Verdicts:
    """Verdicts of one kind for one set of checks, by the text as sent; the oldest go first."""

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        """Keep at most `kept_max` verdicts."""
        self._kept: Bounded[str, Remembered] = Bounded(kept_max)

    def recall(
        self, texts: Sequence[str], now: datetime, not_before: datetime | None, usage: Usage
    ) -> tuple[list[Verdict | None], list[int]]:
        """Return the verdict of each text that is known and fresh, and where one is missing."""
        verdicts: list[Verdict | None] = []
        missing: list[int] = []
        saved_by_cache = saved_by_local_checks = 0
        for at, known in enumerate(self._kept.get_all(texts)):
            if known is None or not _is_fresh(known[0], now, not_before):
                verdicts.append(None)
                missing.append(at)
                continue
            verdict, by_cache, by_local_checks = known
            if verdict.source is PROVIDER:
                verdict = replace(verdict, source=CACHE)
                self._kept.put(texts[at], (verdict, by_cache, by_local_checks))
            verdicts.append(verdict)
            saved_by_cache += by_cache
            saved_by_local_checks += by_local_checks
        usage.saved_by_cache += saved_by_cache
        usage.saved_by_local_checks += saved_by_local_checks
        return verdicts, missing

    def remember(self, verdicts: Mapping[str, Verdict], asked: int) -> None:
        """Keep those of `verdicts`, by text, that rest on what is kept; `asked` checks were wanted.

        What was not found in time, or is not to be kept, is not.
        """
        lasting: dict[str, Remembered] = {}
        counted: dict[int, int | None] = {}  # verdicts of one call often share their outcomes
        for text, verdict in verdicts.items():
            outcomes = verdict.outcomes
            if id(outcomes) in counted:
                answers = counted[id(outcomes)]
            else:
                answers = counted[id(outcomes)] = _answers(outcomes)
            if answers is not None:
                saved = 0 if verdict.normalized is not None else asked
                lasting[text] = (verdict, answers, saved)
        self._kept.put_all(lasting)


def _answers(outcomes: Iterable[Outcome]) -> int | None:
    """Return how many of `outcomes` were asked for; None when one of those is not kept."""
    answers = 0
    for one in outcomes:
        if one.expires_at is not None:
            answers += 1
        elif one.found_at is not None or one.conclusion is UNDECIDED:
            return None
    return answers


def _is_fresh(verdict: Verdict, now: datetime, not_before: datetime | None) -> bool:
    if verdict.expires_at is None:
        return True  # nobody was asked: the same text has the same verdict for ever
    return verdict.expires_at > now and (not_before is None or verdict.decided_at >= not_before)

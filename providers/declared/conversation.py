"""A declared service: the conversation that `[providers.NAME]` describes. No I/O here."""

from collections.abc import Collection, Mapping, Sequence
from http import HTTPStatus
from typing import cast

from msgspec import Struct

from providers.declared.answer_settings import BulkAnswerTable
from providers.declared.calls import NOBODYS, Auth, BulkCall, PartsOf, Signed, SingleCall
from providers.declared.expression import document_of
from providers.declared.faults import FAULTS, ErrorRule, Errors, fault_for
from providers.declared.quota import exhausted_for_s
from providers.declared.reading import Reading, Sheet
from providers.declared.settings import HTTP, DeclaredProvider
from providers.errors import Fault, Faulted, ProtocolBroken
from providers.exchange import Account, Answer, Call, Defaults, Exchange
from providers.matching import matched
from verdicts.outcome import Conclusion, Found
from verdicts.reason import ReasonCode, because


class Item(Struct, frozen=True):
    """What an answer says of one value, and the answer that it stands in."""

    item: object
    whole: object


class DeclaredService:
    """Satisfies `providers.exchange.Service`, and `Metered`."""

    def __init__(
        self,
        table: DeclaredProvider,
        check: str,
        sheet: Sheet,
        parts_of: PartsOf,
        known: Collection[str] | None = None,
    ) -> None:
        """Speak as `table` says, for `check`; `parts_of` takes a canonical value apart.

        `known` are the values that a stand-in knows, None where the service itself is asked.
        """
        answer = table.answer
        self.NAME = HTTP
        self.KIND = table.kind
        self.CHECK = check
        self.auth = Auth(table.auth) if known is None else Auth(table.auth).without_tokens
        self.SECRETS = self.auth.secrets
        self.DEFAULTS = Defaults(
            base_url=str(table.base_url), sandbox_path="", bulk=table.bulk or 1
        )
        self.table = table
        self.reading = Reading(answer, sheet, check)
        heard = frozenset((*answer.success, *(answer.absent.http if answer.absent else ())))
        rules = [
            ErrorRule(
                one.http,
                one.when,
                fault_for(one.reason, again=one.repeat, charged=one.charged, pause_s=one.pause),
            )
            for one in answer.errors
        ]
        self.errors = Errors(rules, heard)
        self._parts_of = parts_of
        self._known = known
        self._single = SingleCall(table.call) if table.call is not None else None
        self._bulk = BulkCall(table.bulk_call) if table.bulk_call is not None else None

    def rehearsing(self, values: Collection[str]) -> "DeclaredService":
        """Return it as the sandbox stands in for it: it knows of `values` alone.

        The stand-in has no tokens to give: where they are needed the key stands in their place.
        """
        known = frozenset(values)
        return DeclaredService(self.table, self.CHECK, self.reading.sheet, self._parts_of, known)

    def serves(self, value: str) -> bool:
        """Return whether the service knows values of such parts, and a call can carry this one."""
        if self._known is not None and value not in self._known:
            return False
        parts = self._parts_of(value)
        for name, known in self.table.serves.items():
            if parts.get(name) not in known:
                return False
        if self._single is not None and not self._single.fits(parts):
            return False
        return self._bulk is None or self._bulk.fits(parts)

    def ask(self, values: Sequence[str], account: Account) -> Exchange:
        """Ask about `values`, with a token that is renewed once where it is refused."""
        signed = yield from self.auth.signed(account)
        token = account.token
        answer = yield self.call(values, signed)
        if answer.status == HTTPStatus.UNAUTHORIZED and self.auth.renews:
            if account.token == token:  # nobody has changed it meanwhile
                account.token = None
            signed = yield from self.auth.signed(account)
            answer = yield self.call(values, signed)
            if answer.status == HTTPStatus.UNAUTHORIZED:
                raise Faulted(FAULTS[ReasonCode.PROVIDER_REFUSED], answer.status)
        if self._is_bulk(values):
            return self._many(values, answer)
        return {values[0]: self._one(values[0], answer)}

    def fault_of(self, answer: Answer) -> Fault | None:
        """Return what is wrong with `answer`, None when the exchange can read it."""
        return None if self.auth.is_about_token(answer) else self.errors.fault_of(answer)

    def exhausted_for_s(self, answer: Answer) -> float | None:
        """Return for how long the account has nothing left, as `answer` says; None if unknown."""
        quota = self.table.answer.quota
        return None if quota is None else exhausted_for_s(quota, answer)

    def call(self, values: Sequence[str], signed: Signed = NOBODYS) -> Call:
        """Return the call about `values`; `signed` says whose it is."""
        if self._single is not None and not self._is_bulk(values):
            return self._single.made(self._parts_of(values[0]), signed)
        assert self._bulk is not None, "one of both calls is declared"
        return self._bulk.made([self._parts_of(value) for value in values], signed)

    def items(self, values: Sequence[str], answer: Answer) -> list[tuple[str, Item]]:
        """Return what `answer` says of each of `values` that it speaks of, by what names it.

        Raises:
            ProtocolBroken: it is not JSON, or its items can't be told apart.
        """
        document = document_of(answer)
        table = self.table.answer
        bulk = self.table.bulk_answer
        if bulk is None or not self._is_bulk(values):
            return [(values[0], Item(table.item.read(document), document))]
        items = bulk.items.read(document)
        if not isinstance(items, list):
            raise ProtocolBroken("the answer has no list of items")
        listed = cast("list[object]", items)
        if bulk.total is not None and bulk.total.read(document) != len(listed):
            raise ProtocolBroken("the answer has not as many items as it says")
        named = self._named(values, listed, bulk)
        root = table.item if self._single is None else None
        return [
            (name, Item(one if root is None else root.read(one), one))
            for name, one in zip(named, listed, strict=True)
        ]

    def _is_bulk(self, values: Sequence[str]) -> bool:
        return self._single is None or len(values) > 1

    def _one(self, value: str, answer: Answer) -> Found:
        ((_, one),) = self.items((value,), answer)
        if answer.status not in self.table.answer.success:
            absent = self.table.answer.absent
            if absent is None or not self.reading.is_absent(None, one.whole):
                raise ProtocolBroken("the answer is neither about the value nor says it is absent")
            return self.reading.absence(absent, one.whole if one.item is None else one.item)
        return self._found(value, one)

    def _many(self, values: Sequence[str], answer: Answer) -> Mapping[str, Found]:
        """Return what a bulk answer says; values that it leaves out are absent, or left out."""
        if answer.status not in self.table.answer.success:
            raise ProtocolBroken("the answer to many values has the status of one that is absent")
        pairs = self.items(values, answer)
        by_value = {value: value for value in values}
        items = [(value, (value, item)) for value, item in pairs]
        found = matched(by_value, items, lambda pair: self._found(*pair), self.CHECK)
        absent = self.table.answer.absent
        if absent is not None and absent.missing:
            gone = self.reading.absence(absent)
            return {value: found.get(value, gone) for value in values}
        return found

    def _found(self, value: str, one: Item) -> Found:
        """Return what an item says of `value`; one that breaks its contract decides nothing."""
        fault = next(
            (rule.fault for rule in self.errors.rules if self._is_items_own(rule, one)), None
        )
        if fault is not None:
            reason = because(fault.code, self.CHECK, retryable=fault.retryable)
            return Found(Conclusion.UNDECIDED, (reason,))
        about = self.table.answer.about
        if about is not None:
            said = about.read(one.item)
            silent = said is None and self.reading.is_absent(one.item, one.whole)
            if not silent and not (
                isinstance(said, str) and self._folded(said) == self._about(value)
            ):
                raise ProtocolBroken("the answer is about another value than the one asked")
        return self.reading.found(one.item, one.whole)

    def _is_items_own(self, rule: ErrorRule, one: Item) -> bool:
        """Return whether an item of a bulk answer is the error that `rule` tells."""
        if rule.statuses or rule.when is None or self.table.bulk_answer is None:
            return False
        return rule.when.holds(one.whole)

    def _named(
        self, values: Sequence[str], items: Sequence[object], bulk: BulkAnswerTable
    ) -> list[str]:
        """Return which of `values` each of `items` is about."""
        if bulk.match == "position":
            if len(items) != len(values):
                raise ProtocolBroken("the answer has not as many items as were asked")
            return list(values)
        if bulk.index is not None:
            places = [bulk.index.read(item) for item in items]
            return [_at(values, place, bulk.first_index) for place in places]
        about = self.table.answer.about
        assert about is not None, "matching by key needs `about`"
        known = {self._about(value): value for value in values}
        said = [about.read(item) for item in items]
        strange = [
            one for one in said if not isinstance(one, str) or self._folded(one) not in known
        ]
        if strange:
            raise ProtocolBroken("the answer is about values that were not asked")
        return [known[self._folded(cast("str", one))] for one in said]

    def _about(self, value: str) -> str:
        return self._folded(self.table.answer.about_value.plain(self._parts_of(value)))

    def _folded(self, text: str) -> str:
        return text.casefold() if self.table.answer.ignore_case else text


def _at(values: Sequence[str], place: object, first: int) -> str:
    if not isinstance(place, int) or isinstance(place, bool):
        raise ProtocolBroken("an item does not say which value it is about")
    if not first <= place < first + len(values):
        raise ProtocolBroken("the answer is about values that were not asked")
    return values[place - first]

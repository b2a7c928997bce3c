"""Parsed and validated documents that come again, and a small memory of what was seen."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from graphql import ASTValidationRule, DocumentNode, GraphQLError, GraphQLSchema, parse
from msgspec import Struct
from strawberry.schema.schema import validate_document

from schema.lane.limits import TOKENS_MAX, check_size

DOCUMENTS_MAX = 128
DOCUMENT_CHARS_MAX = 20_000
"""Longer documents are served, but never kept."""
SEEN_MAX = 4_096

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class RecentlyUsed(Generic[K, V]):
    """The `size` most recently used entries."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return the entry, which is then the most recent one; None if there is none."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: K, entry: V) -> None:
        """Keep an entry, and forget the least recently used one when there are too many."""
        self._entries[key] = entry
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def __len__(self) -> int:
        return len(self._entries)


class Document(Struct, frozen=True):
    """A parsed document, and what validation says against it."""

    node: DocumentNode
    errors: list[GraphQLError]


class Documents:
    """Keeps documents from their second sighting on, so that unique ones cannot push out others."""

    def __init__(self, schema: GraphQLSchema, rules: tuple[type[ASTValidationRule], ...]) -> None:
        self._schema = schema
        self._rules = rules
        self._kept: RecentlyUsed[str, Document] = RecentlyUsed(DOCUMENTS_MAX)
        self._seen: RecentlyUsed[int, bool] = RecentlyUsed(SEEN_MAX)

    def comes_again(self, query: str) -> bool:
        """Tell whether this document was seen lately, and remember that it was."""
        if len(query) > DOCUMENT_CHARS_MAX:
            return False
        mark = hash(query)
        again = self._seen.get(mark) is not None
        self._seen.put(mark, True)  # noqa: FBT003 - a mark, not a flag
        return again

    def kept(self, query: str) -> Document | None:
        """Return a document that was prepared before."""
        return self._kept.get(query)

    def prepare(self, query: str, *, keep: bool = True) -> Document:
        """Parse and validate a document, and keep it where that is wanted.

        Raises:
            GraphQLError: it cannot be parsed.
        """
        document = self._kept.get(query)
        if document is None:
            node = parse(query, max_tokens=TOKENS_MAX)
            document = Document(node, self.validate(node))
            if keep:
                self._kept.put(query, document)
        return document

    def validate(self, node: DocumentNode) -> list[GraphQLError]:
        """Return what is wrong with a parsed document; of one that is too large, that alone."""
        try:
            check_size(node)
        except GraphQLError as error:
            return [error]
        try:
            return validate_document(self._schema, node, self._rules)
        except RecursionError:
            return [GraphQLError("The document is nested too deeply. Flatten its selections.")]

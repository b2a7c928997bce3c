"""Documents that were parsed and validated before, for the stock executor; and may they be run."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from strawberry.extensions import SchemaExtension

from schema.lane.documents import Documents
from schema.lane.limits import TOKENS_MAX

if TYPE_CHECKING:
    from schema.lane.schema import FastSchema


class Prepared(SchemaExtension):
    """Gives the stock executor documents that were parsed and validated before."""

    def on_operation(self) -> Iterator[None]:
        """Bound the document."""
        self.execution_context.parse_options = {"max_tokens": TOKENS_MAX}
        yield

    def on_parse(self) -> Iterator[None]:
        """Take the document that was parsed before."""
        context = self.execution_context
        kept = self._documents.kept(context.query or "")
        if kept is not None:
            context.graphql_document = kept.node
        yield

    def on_validate(self) -> Iterator[None]:
        """Take what validation said before; then see whether the operation may be run."""
        context = self.execution_context
        kept = self._documents.kept(context.query or "")
        if kept is None and context.graphql_document is not None:
            context.pre_execution_errors = self._documents.validate(context.graphql_document)
        elif kept is not None:
            context.pre_execution_errors = list(kept.errors)
        if not context.pre_execution_errors and context.graphql_document is not None:
            schema = cast("FastSchema", context.schema)
            names = schema.names(context.graphql_document, context.operation_name)
            context.pre_execution_errors = schema.forbidden(names, context.context)
        yield

    @property
    def _documents(self) -> Documents:
        return cast("FastSchema", self.execution_context.schema).documents

"""A validation rule: what may call providers stands in an operation once.

A request so costs what its records and its selection say, and is weighed before anything runs
(`resolvers.validate`); aliases multiply nothing.
"""

from typing import Any

from graphql import (
    ASTValidationRule,
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

SPENDS = "validate"
SPENDERS_MAX = 1


class SpendOnce(ASTValidationRule):
    """Refuses an operation that has more than `SPENDERS_MAX` fields which spend."""

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> None:  # noqa: ANN401 - a visitor's
        """Count the fields of one operation."""
        found = self._spenders(node.selection_set, {})
        if found > SPENDERS_MAX:
            told = (
                f"The operation has {found} fields that validate; send all records with one, or"
                " each in a request of its own."
            )
            self.report_error(GraphQLError(told, node))

    def _spenders(self, selections: SelectionSetNode, known: dict[str, int]) -> int:
        """Return how many there are; `known` has those of fragments, each looked at once."""
        count = 0
        for node in selections.selections:
            if isinstance(node, FieldNode):
                count += node.name.value == SPENDS
            elif isinstance(node, InlineFragmentNode):
                count += self._spenders(node.selection_set, known)
            elif isinstance(node, FragmentSpreadNode):
                name = node.name.value
                if name not in known:
                    known[name] = 0  # of one that spreads itself, which another rule refuses
                    fragment = self.context.get_fragment(name)
                    if fragment is not None:
                        known[name] = self._spenders(fragment.selection_set, known)
                count += known[name]
        return count

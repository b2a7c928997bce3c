"""The Strawberry schema with a fast lane in front of it."""

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Any, cast

import strawberry
from graphql import (
    ASTValidationRule,
    DocumentNode,
    GraphQLError,
    MiddlewareManager,
    execution,
    specified_rules,
)
from graphql.execution.collect_fields import FieldDetails
from strawberry.execution import optimized_is_awaitable
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionContext, ExecutionResult, Info
from strawberry.types.graphql import OperationType
from strawberry.utils.await_maybe import await_maybe

from schema.lane.documents import DOCUMENT_CHARS_MAX, Documents, RecentlyUsed
from schema.lane.errors import present
from schema.lane.generated import NotPlain
from schema.lane.plan import (
    Execution,
    NoSuchOperation,
    Plan,
    PlannedInfo,
    compile_plan,
    replaying,
    root_names,
)
from schema.lane.prepared import Prepared
from schema.lane.reading import Readers
from schema.lane.response import Response, answered, refused, subscription
from schema.lane.selection import Collector, Selection
from schema.lane.statistics import LaneStatistics
from schema.lane.subscribing import Event, checked, events, newest_only, unmark

_QUERIES = frozenset({OperationType.QUERY})
_QUERIES_AND_MUTATIONS = _QUERIES | {OperationType.MUTATION}
PLANS_MAX = 256
SUBSCRIPTIONS_MAX = 64
"""Plans of subscriptions kept: each is followed for long, so it is compiled at first sight."""
SELECTIONS_MAX = 256


class FastSchema(strawberry.Schema):
    """A Strawberry schema that compiles what comes again, and runs everything else as ever.

    Answers, errors and calls of resolvers are those of `strawberry.Schema`, except that what
    clients may not see is masked (`schema.lane.errors`). `public` are the exceptions whose message
    and `code` are meant for clients; `rules` are validation rules beyond the specified ones.
    `permit` is called with an operation's root fields (`root_names`) and its context before
    anything of it runs, and raises one of `public` where that may not be.
    With `extensions` the lane stays closed, since it runs none.
    """

    def __init__(  # noqa: PLR0913 - Strawberry's own arguments, and two
        self,
        query: type,
        mutation: type | None = None,
        subscription: type | None = None,
        *,
        types: Iterable[type] = (),
        extensions: Iterable[type[SchemaExtension] | Callable[[], SchemaExtension]] = (),
        config: StrawberryConfig | None = None,
        public: tuple[type[Exception], ...] = (),
        rules: tuple[type[ASTValidationRule], ...] = (),
        permit: Callable[[frozenset[str], Any], None] | None = None,
    ) -> None:
        others = tuple(extensions)
        config = config or StrawberryConfig()
        config.disable_field_suggestions = True
        super().__init__(  # pyright: ignore[reportUnknownMemberType] - Strawberry's own generics
            query,
            mutation,
            subscription,
            types=types,
            extensions=(*others, Prepared),
            config=config,
        )
        unmark(self._schema.subscription_type)
        self.statistics = LaneStatistics()
        self.documents = Documents(self._schema, (*specified_rules, *rules))
        self._public = public
        self._permit = permit
        self._open = not others and config.default_resolver is getattr
        self._readers = Readers(self.schema_converter.scalar_registry, config)
        self._plans: RecentlyUsed[tuple[str, str | None], Plan | str] = RecentlyUsed(PLANS_MAX)
        self._subscriptions: RecentlyUsed[tuple[str, str | None], Plan | str] = RecentlyUsed(
            SUBSCRIPTIONS_MAX
        )
        self._selections: RecentlyUsed[tuple[object, ...], tuple[object, Selection]] = RecentlyUsed(
            SELECTIONS_MAX
        )

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,  # noqa: ANN401 - as Strawberry
        root_value: Any | None = None,  # noqa: ANN401 - as Strawberry
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """Run one query or mutation, on the lane if there is a plan for it.

        Raises:
            MissingQueryError: `query` is empty.
            CannotGetOperationTypeError: the document has no operation of this name.
            InvalidOperationTypeError: the operation is none of the allowed types.
        """
        allowed = None if allowed_operation_types is None else frozenset(allowed_operation_types)
        plan = self._known_plan(query, operation_name) if query and self._open else None
        if plan is not None and plan.operation_type in (allowed or _QUERIES_AND_MUTATIONS):
            forbidden = self.forbidden(plan.names, context_value)
            if forbidden:
                self._present_all(forbidden, plan)
                return ExecutionResult(data=None, errors=forbidden)
            variables = variable_values or {}
            try:
                arguments = plan.read(variables)
            except Exception:  # noqa: BLE001 - whatever it is, the stock executor finds the words
                arguments = None
            if arguments is not None:
                running = Execution(
                    variables, context_value, root_value, operation_extensions, arguments
                )
                try:
                    data = await plan.run(running)
                except Exception:  # noqa: BLE001 - as above
                    return await self._replay(plan, running, operation_name)
                self.statistics.fast += 1
                return ExecutionResult(data=data, errors=None)
        self.statistics.stock += 1
        return await super().execute(
            query,
            variable_values,
            context_value,
            root_value,
            operation_name,
            allowed,
            operation_extensions,
        )

    async def answer(
        self,
        query: str,
        variables: dict[str, Any] | None,
        operation_name: str | None,
        context: object,
        *,
        extensions: dict[str, Any] | None = None,
        queries_only: bool = False,
    ) -> Response:
        """Run one query or mutation, and return what to send whatever becomes of it."""
        if isinstance(self._subscriptions.get((query, operation_name)), Plan):
            return self._subscribed(query, operation_name, context)
        allowed = _QUERIES if queries_only else _QUERIES_AND_MUTATIONS
        try:
            result = await self.execute(
                query, variables, context, None, operation_name, allowed, extensions
            )
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.SUBSCRIPTION:
                return self._subscribed(query, operation_name, context)
            return refused("Send mutations by POST.", "mutation")
        except CannotGetOperationTypeError as error:
            return refused(error.as_http_error_reason())
        return answered(result)

    def forbidden(self, names: frozenset[str], context: object) -> list[GraphQLError]:
        """Return why an operation with these root fields may not be run; empty when it may."""
        if self._permit is None:
            return []
        try:
            self._permit(names, context)
        except self._public as error:
            return [GraphQLError(str(error), original_error=error)]
        return []

    def _subscribed(self, query: str, operation_name: str | None, context: object) -> Response:
        """Return that an operation is a subscription, or why it may not be followed."""
        plan = self._subscription(query, operation_name)
        forbidden = [] if plan is None else self.forbidden(plan.names, context)
        if plan is None or not forbidden:
            return subscription()
        self._present_all(forbidden, plan)
        return answered(ExecutionResult(data=None, errors=forbidden))

    async def subscribe(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,  # noqa: ANN401 - as Strawberry
        root_value: Any | None = None,  # noqa: ANN401 - as Strawberry
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> AsyncGenerator[ExecutionResult]:
        """Return what yields the results of a subscription, on the lane where it has a plan."""
        return (
            event.result
            async for event in self._events(
                query,
                variable_values,
                context_value,
                root_value,
                operation_name,
                operation_extensions,
            )
        )

    async def answers(
        self,
        query: str,
        variables: dict[str, Any] | None,
        operation_name: str | None,
        context: object,
        *,
        extensions: dict[str, Any] | None = None,
    ) -> AsyncGenerator[Response]:
        """Run one subscription, and yield what to send of each event, whatever becomes of it.

        Closing this closes the source of the events.
        """
        running = self._events(query, variables, context, None, operation_name, extensions)
        async with aclosing(running):
            async for event in running:
                yield answered(event.result, event=True, cursor=event.cursor)

    def newest_only(self, query: str, operation_name: str | None = None) -> bool:
        """Tell whether an operation is a subscription whose events each say all there is.

        Then equal ones may share one execution, and a slow reader may miss events.
        """
        plan = self._subscription(query, operation_name)
        return plan is not None and newest_only(plan)

    def plan_for(self, query: str, operation_name: str | None = None, *, keep: bool = True) -> Plan:
        """Compile a document's operation, and `keep` the parsed document.

        Raises:
            GraphQLError: the document cannot be parsed, or is not valid.
            NotPlain: the stock executor has to run it; the message says why.
        """
        document = self.documents.prepare(query, keep=keep)
        if document.errors:
            raise document.errors[0]
        return compile_plan(
            self._schema, document.node, operation_name, self._readers, self.config.info_class
        )

    def names(self, document: DocumentNode, operation_name: str | None) -> frozenset[str]:
        """Return the root fields of an operation; see `root_names`."""
        return root_names(self._schema, document, operation_name)

    def root_fields(self) -> list[str]:
        """Return every root field that there is, each as `Type.field`."""
        schema = self._schema
        roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
        return [f"{root.name}.{field}" for root in roots if root for field in root.fields]

    def selection(self, info: Info[Any, Any]) -> Selection:
        """Return what is selected below the field that `info` is of, the same on both ways."""
        raw: Any = cast("Any", info)._raw_info  # noqa: SLF001 - what Info wraps, and no other way
        if isinstance(raw, PlannedInfo):
            return raw.facts.selection
        nodes = tuple(raw.field_nodes)
        variables: dict[str, Any] = raw.variable_values
        conditions = frozenset(name for name, value in variables.items() if value is True)
        key = (*map(id, nodes), conditions)
        known = self._selections.get(key)
        if known is not None:
            return known[1]
        collector = Collector(raw.schema, raw.operation, raw.fragments, variables)
        found = collector.selection(raw.return_type, [FieldDetails(node, None) for node in nodes])
        self._selections.put(key, (nodes, found))  # the nodes are kept, so that ids stay theirs
        return found

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Log errors without values, and mask in place what clients must not see."""
        name = execution_context.operation_name if execution_context is not None else None
        self.present_errors(errors, name)

    def present_errors(self, errors: list[GraphQLError], operation_name: str | None) -> None:
        """Do what `process_errors` does, whichever way the operation took."""
        present(errors, operation_name, self._public)

    def _known_plan(self, query: str, operation_name: str | None) -> Plan | None:
        """Return the plan of a document that was seen before; None where there can be none."""
        key = (query, operation_name)
        plan = self._plans.get(key)
        if plan is None:
            if not self.documents.comes_again(query):
                return None
            try:
                plan = self.plan_for(query, operation_name)
            except (NoSuchOperation, GraphQLError):
                return None
            except NotPlain as reason:
                plan = str(reason)
            self._plans.put(key, plan)
        return plan if isinstance(plan, Plan) else None

    def _subscription(self, query: str, operation_name: str | None) -> Plan | None:
        """Return the plan of a subscription; None where the stock executor has to run it."""
        key = (query, operation_name)
        plan = self._subscriptions.get(key)
        if plan is None and self._open and len(query) <= DOCUMENT_CHARS_MAX:
            try:
                plan = checked(self.plan_for(query, operation_name, keep=False))
            except (NoSuchOperation, GraphQLError):
                return None
            except NotPlain as reason:
                plan = str(reason)
            self._subscriptions.put(key, plan)
        return plan if isinstance(plan, Plan) else None

    async def _events(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None,
        context_value: Any,  # noqa: ANN401 - as Strawberry
        root_value: Any,  # noqa: ANN401 - as Strawberry
        operation_name: str | None,
        operation_extensions: dict[str, Any] | None,
    ) -> AsyncGenerator[Event]:
        plan = self._subscription(query, operation_name) if query else None
        variables = variable_values or {}
        try:
            arguments = None if plan is None else plan.read(variables)
        except Exception:  # noqa: BLE001 - whatever it is, the stock executor finds the words
            arguments = None
        if plan is None or arguments is None:
            self.statistics.stock += 1
            stock = await super().subscribe(
                query,
                variable_values,
                context_value,
                root_value,
                operation_name,
                operation_extensions,
            )
            async with aclosing(stock):
                async for result in stock:
                    yield Event(result)
            return
        self.statistics.fast += 1
        running = Execution(variables, context_value, root_value, operation_extensions, arguments)

        async def replayed(value: object) -> ExecutionResult:
            running.root_value, running.resolved = value, {}
            return await self._replay(plan, running, operation_name)

        planned = events(plan, running, replayed)
        async with aclosing(planned):
            async for event in planned:
                if event.failed:
                    self._present(event.result, plan)
                yield event

    async def _replay(
        self, plan: Plan, running: Execution, operation_name: str | None
    ) -> ExecutionResult:
        """Let the stock executor complete what the resolvers returned or raised already."""
        self.statistics.replay += 1
        result: Any = await await_maybe(
            cast("Any", execution).execute(
                self._schema,
                plan.document,
                root_value=running.root_value,
                middleware=MiddlewareManager(replaying(running)),
                variable_values=dict(running.variables),
                operation_name=operation_name,
                context_value=running.context,
                is_awaitable=optimized_is_awaitable,
                executor_class=cast("Any", self).execution_context_class,
                operation_extensions=running.operation_extensions,
            )
        )
        self._present(result, plan)
        return ExecutionResult(data=result.data, errors=result.errors)

    def _present(self, result: Any, plan: Plan) -> None:  # noqa: ANN401 - of graphql-core or ours
        if result.errors:
            self._present_all(result.errors, plan)

    def _present_all(self, errors: list[GraphQLError], plan: Plan) -> None:
        name = plan.operation.name
        self.present_errors(errors, name.value if name is not None else None)

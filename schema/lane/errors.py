"""What a client is told of an error, and what the log is told: never the same."""

import logging
import re
import traceback
from pathlib import Path
from secrets import token_hex

from graphql import FieldNode, GraphQLError, GraphQLSyntaxError
from strawberry.exceptions import (
    MissingQueryError,
    StrawberryGraphQLError,
    StrawberryInputCoercionError,
)
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from schema.lane.limits import DOCUMENT_TOO_LARGE, TooLarge

INTERNAL = "INTERNAL"
TOKENS_EXCEEDED = "Document contains more than"
"""How graphql-core begins to say that a document has too many tokens."""
LOGGED_MAX = 10
"""Errors of one operation that are logged one by one."""
FRAMES_MAX = 6
"""Innermost frames of a traceback that are logged, as file, line and function."""

_VALUES = (
    (re.compile(r"[,;] found: .*", re.DOTALL), "."),
    (re.compile(r"(cannot represent [^:]*): .*", re.DOTALL), r"\1."),
    (re.compile(r"Value '.*' does not exist in", re.DOTALL), "The value does not exist in"),
    (re.compile(r"\b((?:Block)?String|Int|Float) (['\"]).*\2", re.DOTALL), r"\1"),
)
"""How graphql-core and Strawberry write the value that is wrong, and what is told instead."""
_REFUSED = (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError)

_log = logging.getLogger(__name__)


def present(
    errors: list[GraphQLError], operation_name: str | None, public: tuple[type[Exception], ...]
) -> None:
    """Log `errors`, and replace in place what a client must not see.

    Every error gets an `extensions.code`. What a client can act on (a document that is wrong, a
    variable that does not fit, one of the `public` exceptions, whose `code` is used) keeps its
    message, without suggestions of names and without the value: it knows what it sent, and its own
    logs are not the place for that. Anything else becomes INTERNAL with an id, under which
    the log has the exception's type and where it came from. Messages are never logged: they may
    hold values.
    """
    id_ = token_hex(8)
    for index, error in enumerate(errors):
        cause = error.original_error
        code = _code(error, public)
        if index < LOGGED_MAX:
            known = {"id": id_, **origin(cause)} if code == INTERNAL else {}
            _log.log(
                logging.ERROR if code == INTERNAL else logging.INFO,
                "operation failed",
                extra={"code": code, "path": error.path, "operation": operation_name, **known},
            )
        if code == INTERNAL:
            errors[index] = GraphQLError(
                f"Internal error; quote id {id_}",
                error.nodes,
                error.source,
                error.positions,
                error.path,
                extensions={"code": INTERNAL, "id": id_},
            )
        else:
            error.message = error.message.partition(" Did you mean")[0]
            if not isinstance(error.original_error, public):
                error.message = _without_values(error.message)
            error.extensions = {**(error.extensions or {}), "code": code}
    if len(errors) > LOGGED_MAX:
        _log.info("more errors of the operation", extra={"count": len(errors) - LOGGED_MAX})


def _without_values(message: str) -> str:
    for written, instead in _VALUES:
        message = written.sub(instead, message)
    return message


def _code(error: GraphQLError, public: tuple[type[Exception], ...]) -> str:
    cause = error.original_error
    if isinstance(cause, public):
        code = getattr(cause, "code", None)
        return code if isinstance(code, str) else "REFUSED"
    if isinstance(error, TooLarge):
        return DOCUMENT_TOO_LARGE
    if isinstance(error, GraphQLSyntaxError):
        return DOCUMENT_TOO_LARGE if TOKENS_EXCEEDED in error.message else "GRAPHQL_PARSE_FAILED"
    if isinstance(cause, _REFUSED):
        return "BAD_REQUEST"
    if error.path is None:  # the request was refused before anything ran, unless we failed
        if cause is None:
            return "GRAPHQL_VALIDATION_FAILED"
        return "BAD_USER_INPUT" if error.nodes else INTERNAL
    return "BAD_USER_INPUT" if _is_of_input(cause) else INTERNAL


def _is_of_input(cause: Exception | None) -> bool:
    """Return whether what went wrong in a field is the client's argument."""
    if isinstance(cause, StrawberryInputCoercionError):
        return True
    if not isinstance(cause, GraphQLError) or isinstance(cause, StrawberryGraphQLError):
        return False
    # graphql-core blames the node of a wrong argument, but the field's for our own data
    blamed = cause.nodes or ()
    return bool(blamed) and not isinstance(blamed[0], FieldNode)


def origin(cause: BaseException | None) -> dict[str, object]:
    """Return the type of an exception and of what caused it, and where: no message, no value."""
    types: list[str] = []
    frames: list[str] = []
    while cause is not None and len(types) < FRAMES_MAX:
        types.append(f"{type(cause).__module__}.{type(cause).__qualname__}")
        places = [(frame.f_code, line) for frame, line in traceback.walk_tb(cause.__traceback__)]
        frames += [
            f"{Path(code.co_filename).name}:{line} {code.co_name}"
            for code, line in places[-FRAMES_MAX:]
        ]
        cause = cause.__cause__ or cause.__context__
    return {"types": types, "frames": frames[:FRAMES_MAX]}

"""Documents that are meant to cost much: twenty-one shapes, each of a size that one number gives.

They fit the schema, or nearly, since what does not is found out early.
"""

from collections.abc import Callable, Mapping

KIND = "name description meaning"
RESULT = "index ref status"


def _nested(n: int) -> str:
    inner = "checks { name } " * 2
    return "{ kinds { " + "... on Kind { " * n + inner + "} " * n + "} }"


def _chained(n: int) -> str:
    """Fragments that each spread the next one twice: 2 to the power of n fields."""
    spread = "".join(f"fragment f{i} on Kind {{ ...f{i + 1} ...f{i + 1} }} " for i in range(n))
    return f"{{ kinds {{ ...f0 }} }} {spread} fragment f{n} on Kind {{ {KIND} }}"


def _chained_to_nothing(n: int) -> str:
    """Do the same, but the last one is not there: no field is ever met."""
    spread = "".join(f"fragment f{i} on Mutation {{ ...f{i + 1} ...f{i + 1} }} " for i in range(n))
    return f"mutation {{ ...f0 }} {spread}"


def _crossed(n: int) -> str:
    """Fragments with the same fields, all in one place: each is compared with each."""
    spread = " ".join(f"...f{i}" for i in range(n))
    each = " ".join(f"fragment f{i} on Kind {{ {KIND} checks {{ name local }} }}" for i in range(n))
    return f"{{ kinds {{ {spread} }} }} {each}"


def _wide(n: int) -> str:
    return "{ " + " ".join(f"a{i}: kinds {{ {KIND} }}" for i in range(n)) + " }"


def _batched(n: int) -> str:
    one = 'validate(records: [{email: "a@b.example"}]) { results { index } }'
    return "mutation { " + " ".join(f"a{i}: {one}" for i in range(n)) + " }"


SHAPES: Mapping[str, Callable[[int], str]] = {
    "one field again and again": lambda n: "{ kinds { " + "name " * n + "} }",
    "one object again and again": lambda n: "{ kinds { " + "checks { name } " * n + "} }",
    "aliases of one field": lambda n: (
        "{ kinds { " + " ".join(f"a{i}: name" for i in range(n)) + " } }"
    ),
    "aliases of a root field": _wide,
    "aliases of a paid mutation": _batched,
    "inline fragments in one another": _nested,
    "fragments that spread two": _chained,
    "fragments that spread two of what is not there": _chained_to_nothing,
    "fragments of the same fields": _crossed,
    "a circle of fragments": lambda n: (
        "{ kinds { ...f0 } } "
        + " ".join(f"fragment f{i} on Kind {{ name ...f{(i + 1) % n} }}" for i in range(n))
    ),
    "fragments that nobody spreads": lambda n: (
        "{ kinds { name } } " + " ".join(f"fragment f{i} on Kind {{ {KIND} }}" for i in range(n))
    ),
    "fragments that are not there": lambda n: (
        "{ kinds { " + " ".join(f"...f{i}" for i in range(n)) + " } }"
    ),
    "fields that are not there": lambda n: "{ " + " ".join(f"x{i}" for i in range(n)) + " }",
    "directives on one field": lambda n: "{ kinds { name " + "@skip(if: false) " * n + "} }",
    "directives that are not there": lambda n: (
        "{ kinds { name " + " ".join(f"@x{i}" for i in range(n)) + " } }"
    ),
    "variables that nobody uses": lambda n: (
        "query(" + " ".join(f"$a{i}: Int" for i in range(n)) + ") { kinds { name } }"
    ),
    "members of an input that are not there": lambda n: (
        "mutation { createBatch(input: {" + " ".join(f"x{i}: 1" for i in range(n)) + "})"
        " { errors { code } } }"
    ),
    "a list of lists": lambda n: (
        "mutation { validate(records: " + "[" * n + "]" * n + ") { results { index } } }"
    ),
    "many operations": lambda n: " ".join(f"query Q{i} {{ kinds {{ name }} }}" for i in range(n)),
    "introspection in introspection": lambda n: (
        "{ __schema { types { " + "fields { type { " * n + "name " + "} } " * n + "} } }"
    ),
    "comments and commas": lambda n: "{ kinds { name " + ",,,, #x\n" * n + "} }",
}

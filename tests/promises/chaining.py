"""GraphQLer, taught what it cannot know of our schema; its own Python runs this file.

    python -P chaining.py URL FOLDER

FOLDER gets `answers.jsonl` with every answer; `ASSAY_API_KEY` is the key. Left alone, GraphQLer
sends nothing that has a scalar which it does not know, fills in every input, so that an unusable
webhook comes with each batch, and looks for the batch of a payload at its top alone.
"""

import importlib
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

ROUNDS = 6
OPTIONAL_SHARE = 0.3
"""How many of the inputs that may be left out are given."""
SCALARS = {
    "Decimal": ("0", "12.50", "1000000000", "-1", "NaN"),
    "Duration": ("PT0S", "PT12H", "P30D", "P999999999D"),
}
BATCH_OF = ("createBatch", "addRecords", "startBatch", "batch")
CHAINS = (
    (*BATCH_OF, "pauseBatch", "resumeBatch", "changeBatch", "cancelBatch", "retryBatch", "batches"),
    ("createBatch", "cancelBatch", "retryBatch", "deleteBatch", "batch", "addRecords"),
    (*BATCH_OF, "cancelBatch", "deleteBatch", "startBatch"),
    ("createKey", "rotateKey", "revokeKey", "rotateKey", "auditLog"),
    ("validate",),
)


def teach_values() -> None:
    """Let it make our scalars, and leave inputs out."""
    materializers = "graphqler.fuzzer.engine.materializers"
    getter: Any = importlib.import_module(f"{materializers}.getter").Getter
    materializer: Any = importlib.import_module(f"{materializers}.materializer").Materializer
    stock_scalar = getter.get_random_custom_scalar
    stock_fields = materializer.materialize_input_fields

    def scalar(self: Any, name: str, type_: str, bucket: Any) -> str:  # noqa: ANN401 - GraphQLer's
        if type_ in SCALARS:
            return json.dumps(random.choice(SCALARS[type_]))
        return str(stock_scalar(self, name, type_, bucket))

    def fields(self: Any, operation: Any, inputs: Any, *rest: Any, **more: Any) -> str:  # noqa: ANN401 - GraphQLer's
        offered: dict[str, dict[str, Any]] = inputs or {}
        given = {
            name: field
            for name, field in offered.items()
            if field["kind"] == "NON_NULL" or random.random() < OPTIONAL_SHARE
        }
        return str(stock_fields(self, operation, given, *rest, **more))

    getter.get_random_custom_scalar = scalar
    materializer.materialize_input_fields = fields


def teach_payloads() -> None:
    """Let it find the objects within the one that an operation answers with."""
    bucket: Any = importlib.import_module("graphqler.utils.objects_bucket").ObjectsBucket
    base_of: Any = importlib.import_module("graphqler.utils.parser_utils").get_base_oftype
    stock_put = bucket.__wrapped__.put_object_in_bucket

    def put(self: Any, type_: str, value: Any) -> None:  # noqa: ANN401 - GraphQLer's
        if isinstance(value, list):
            for one in value:  # pyright: ignore[reportUnknownVariableType] - of JSON
                put(self, type_, one)
        if not isinstance(value, dict):
            return
        stock_put(self, type_, value)
        for field in self.api.objects[type_]["fields"]:
            inner = base_of(field)["type"]
            if inner in self.api.objects:
                put(self, inner, value.get(field["name"]))  # pyright: ignore[reportUnknownMemberType] - of JSON

    bucket.__wrapped__.put_object_in_bucket = put


def record(answers: Path) -> None:
    """Write down each answer."""
    sending: Any = importlib.import_module("graphqler.utils.request_utils")
    stock_session = sending.create_new_session

    def write(answer: Any, *_: object, **__: object) -> None:  # noqa: ANN401 - of requests
        asked = answer.request.body
        line = {
            "asked": asked.decode() if isinstance(asked, bytes) else asked,
            "status": answer.status_code,
            "media_type": answer.headers.get("Content-Type", ""),
            "seconds": answer.elapsed.total_seconds(),
            "body": answer.text,
        }
        with answers.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def session() -> Any:  # noqa: ANN401 - of requests
        made = stock_session()
        made.hooks["response"].append(write)
        return made

    sending.create_new_session = session


def main(url: str, folder: Path) -> None:
    """Compile, add our chains to those of GraphQLer, and ask."""
    random.seed(0)
    folder.mkdir()
    teach_values()
    teach_payloads()
    record(folder / "answers.jsonl")
    run: Any = importlib.import_module("graphqler.__main__").main
    given = {"url": url, "path": str(folder), "auth": f"Bearer {os.environ['ASSAY_API_KEY']}"}
    run({**given, "mode": "compile"})
    with (folder / "compiled" / "chains.yml").open("a", encoding="utf-8") as file:
        file.writelines(f"- nodes: {json.dumps(chain)}\n" for chain in CHAINS * ROUNDS)
    run({**given, "mode": "fuzz"})


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

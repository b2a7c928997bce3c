"""What GraphiQL offers a first visitor has to work."""

import json
from pathlib import Path

import graphql
import pytest
from graphql.execution.values import get_variable_values

import console.page
from console.page import EXAMPLES
from schema.roots import build_schema

FOLDER = Path(console.page.__file__).with_name("examples")


@pytest.fixture(scope="module")
def schema() -> graphql.GraphQLSchema:
    return graphql.build_schema(build_schema().as_str())


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_is_valid_under_the_schema(name: str, schema: graphql.GraphQLSchema) -> None:
    document = graphql.parse((FOLDER / f"{name}.graphql").read_text("utf-8"))
    assert graphql.validate(schema, document) == []


@pytest.mark.parametrize("name", ["validate", "evidence", "consistency", "local_facts"])
def test_variables_of_an_example_are_accepted(name: str, schema: graphql.GraphQLSchema) -> None:
    document = graphql.parse((FOLDER / f"{name}.graphql").read_text("utf-8"))
    operation = document.definitions[0]
    assert isinstance(operation, graphql.OperationDefinitionNode)
    variables = json.loads((FOLDER / f"{name}.json").read_bytes())
    coerced = get_variable_values(schema, operation.variable_definitions or (), variables)
    assert not isinstance(coerced, list), coerced

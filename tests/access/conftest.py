"""Stores on both databases, and keys in them."""

import pytest

from access.keys import Keys
from batches.store import Store
from tests.batches.conftest import (
    clock,
    open_another,
    postgres_server,
    postgres_store_url,
    postgres_template,
    postgres_url,
    store,
    store_settings,
)
from tests.gateway.doors import PEPPER

__all__ = [
    "clock",
    "open_another",
    "postgres_server",
    "postgres_store_url",
    "postgres_template",
    "postgres_url",
    "store",
    "store_settings",
]


@pytest.fixture
def keys(store: Store) -> Keys:
    return Keys(store.database, PEPPER)

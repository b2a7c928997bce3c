"""What a client selected, for resolvers, whichever way the operation takes."""

from typing import TYPE_CHECKING, Any, cast

from strawberry.types import Info

from schema.lane.selection import Selection

if TYPE_CHECKING:
    from schema.lane.schema import FastSchema


def selected(info: Info[Any, Any]) -> Selection:
    """Return what the client selected below this field, as Python names (see `Selection`)."""
    return cast("FastSchema", info.schema).selection(info)

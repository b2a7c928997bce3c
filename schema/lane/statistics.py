"""Which way operations took."""

from msgspec import Struct


class LaneStatistics(Struct):
    """Operations by the way they took.

    `replay`: the lane ran the resolvers and the stock executor reported what did not fit.
    Errors that resolvers raise count there too; beyond them, more than 1 % is a bug.
    """

    fast: int = 0
    replay: int = 0
    stock: int = 0

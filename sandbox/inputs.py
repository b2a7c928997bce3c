"""The magic inputs of all stand-ins, as data: importing this starts nothing."""

from __future__ import annotations

from sandbox import dns, vies

SANDBOX_INPUTS = (*dns.INPUTS, *vies.INPUTS)

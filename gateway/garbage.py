"""When Python's garbage collector looks: not while Assay starts, and seldom while it serves.

What a start makes stays for good, and what a request makes dies by its reference count, so most
looks of the collector would find nothing; they took a tenth of the start.
"""

import gc

THRESHOLDS = (50_000, 20, 50)
"""Fewer, larger collections."""


def hold_off() -> None:
    """Collect nothing until `collect_less`: for a process that is about to import and to build."""
    gc.disable()


def collect_seldom() -> None:
    """Look as `THRESHOLDS` say from now on: for a command, which mostly imports and is done."""
    gc.set_threshold(*THRESHOLDS)


def collect_less() -> None:
    """Leave alone what is there for good, and look for the rest as `THRESHOLDS` say.

    A process that held off until now has not looked at what its start left behind, and does not:
    that is little, and looking costs more than it gives back.
    """
    if gc.isenabled():
        gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.enable()

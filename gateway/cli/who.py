"""Who works at this machine, for the audit log."""

import getpass


def actor() -> str:
    """Return `local:` and the user's name; without the name where nobody knows it."""
    try:
        return f"local:{getpass.getuser()}"
    except (OSError, KeyError):
        return "local"

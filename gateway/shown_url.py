"""Addresses as people may see them."""

from urllib.parse import urlsplit

UNREADABLE = "an address that can't be read"


def shown_url(url: str) -> str:
    """Return `url` without user, password and query: fit for a screen or a log.

    Of one that is none nothing is shown: what looks like its host may be part of a password.

    >>> shown_url("redis://user:secret@cache.example:6379/0?timeout=1")
    'redis://cache.example:6379/0'
    >>> shown_url("redis//:secret@cache.example"), shown_url("redis://:sec/ret@cache.example")
    ("an address that can't be read", "an address that can't be read")
    """
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return UNREADABLE
    if not parts.scheme or "@" in parts.path + parts.query + parts.fragment:
        return UNREADABLE
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return f"{parts.scheme}://{host}{port}{parts.path}"

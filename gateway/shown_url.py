"""Addresses as people may see them."""

from urllib.parse import urlsplit


def shown_url(url: str) -> str:
    """Return `url` without user, password and query: fit for a screen or a log."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    port = f":{parts.port}" if parts.port is not None else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"

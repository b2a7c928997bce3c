"""Where Assay listens, and whether only this machine reaches that."""

import os
from ipaddress import ip_address

from gateway.settings import Settings

VARIABLE = "ASSAY_BIND"
"""What gunicorn binds to: an address with a port, or `unix:/path`."""
UNIX = "unix:"
ANY_IPV4 = "0.0.0.0"  # nosec B104  # noqa: S104 - only compared with
NO_KEYS = (
    "others than this machine can reach that address, and there is no key to keep them out. Make"
    " one with `assay keys create`, listen on 127.0.0.1, or say access.open = true"
    " (ASSAY_ACCESS__OPEN) where something in front decides who comes in."
)


def bind_of(settings: Settings) -> str:
    """Return what gunicorn is to bind to."""
    return os.environ.get(VARIABLE) or f"{settings.gateway.host}:{settings.gateway.port}"


def is_local(bind: str) -> bool:
    """Tell whether only this machine reaches `bind`, an address with or without a port.

    A Unix socket does not count: it is there for a proxy, which others reach.

    >>> is_local("127.0.0.1:8000"), is_local("[::1]:80"), is_local("localhost")
    (True, True, True)
    >>> is_local("0.0.0.0:8000"), is_local("unix:/run/assay.sock"), is_local("::")
    (False, False, False)
    """
    if bind.startswith(UNIX):
        return False
    host = bind
    if bind.startswith("["):
        host = bind[1:].partition("]")[0]
    elif bind.count(":") == 1:
        host = bind.partition(":")[0]
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False

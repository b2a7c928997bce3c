"""Where calls may go whose address a client named: to the public internet, and nowhere else.

`ipaddress.is_global` is not enough: it takes addresses for global that lead back here in another
dress (NAT64, 6to4, IPv4 in IPv6). So what is allowed is listed, and the rest is not.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from yarl import URL

PORTS = frozenset({443, 8443})
URL_LENGTH_MAX = 2_000

_GLOBAL_V6 = IPv6Network("2000::/3")
_NOT_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # IETF protocols: Teredo, ORCHID, …
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: holds an IPv4 address
            "3fff::/20",  # documentation
        ),
    )
)
_NOT_V4 = tuple(
    map(
        ip_network,
        (
            "192.88.99.0/24",  # 6to4 relays
            "168.63.129.16/32",  # Azure's own services, seen from inside alone
        ),
    )
)


class AddressRefused(OSError):
    """Calls must not go there; the message says what is allowed."""


class Gate:
    """Decides by address and by URL.

    With `local` it also lets through to this machine itself (127.0.0.0/8, ::1), and there without
    TLS and on any port: for trying out.
    """

    def __init__(self, *, local: bool = False) -> None:
        self._local = local

    def parsed(self, text: str) -> URL:
        """Return the URL `text`, as it is to be called.

        Names are not looked up: what they stand for is checked when the call is made.

        Raises:
            AddressRefused: it is none, or calls may not go there.
        """
        if len(text) > URL_LENGTH_MAX:
            raise AddressRefused(f"The URL is longer than {URL_LENGTH_MAX} characters.")
        try:
            url = URL(text)
            port = url.port  # a port that is none shows here
        except ValueError:
            raise AddressRefused(
                "This is no URL; give one such as https://example.com/hook."
            ) from None
        if url.scheme not in {"http", "https"} or not url.host or port is None:
            raise AddressRefused("Give a URL that begins with https:// and names a host.")
        self.check(url)
        return url

    def check(self, url: URL) -> None:
        """Do as `parsed` does, with a URL that was taken apart already.

        Raises:
            AddressRefused: calls may not go there.
        """
        host = url.host or ""
        if url.raw_user is not None or url.raw_password is not None:
            raise AddressRefused("The URL holds a user or a password; leave it out.")
        here = self._local and (host == "localhost" or _is_here(host))
        if here:
            return
        if url.scheme != "https":
            raise AddressRefused("The URL must begin with https://.")
        if url.port not in PORTS:
            allowed = " or ".join(map(str, sorted(PORTS)))
            raise AddressRefused(f"The port is {url.port}; it may be {allowed}.")
        if _looks_like_an_address(host) and not self.allows(host):
            raise AddressRefused("The address is not one of the public internet.")

    def allows(self, address: str) -> bool:
        """Return whether calls may go to an IP address, written in its usual form."""
        try:
            found = ip_address(address)
        except ValueError:
            return False
        if self._local and found.is_loopback:
            return True
        return is_public(found)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address belongs to the public internet, for one receiver.

    >>> is_public(ip_address("93.184.216.34")), is_public(ip_address("64:ff9b::7f00:1"))
    (True, False)
    """
    if isinstance(address, IPv4Address):
        if not address.is_global or address.is_multicast:
            return False
        return not any(address in network for network in _NOT_V4)
    if address.scope_id is not None or address not in _GLOBAL_V6:
        return False
    return not any(address in network for network in _NOT_V6)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _looks_like_an_address(host: str) -> bool:
    """Return whether nobody would look `host` up as a name: aiohttp, or whoever reads 127.1.

    One whose last part is a number, in whatever notation, is an IPv4 address to browsers and to
    getaddrinfo (URL standard, "ends in a number").
    """
    if ":" in host or host.replace(".", "").isdigit():
        return True
    last = host.rstrip(".").rpartition(".")[2].lower()
    return last.isdigit() or last.startswith("0x")

"""The addresses of Dask schedulers."""

import ipaddress

from poolnorm_cli.errors import UsageError


LOCAL = "local"
_PROTOCOLS = ("tcp", "tls", "ucx", "ws", "wss", "inproc")


def checked_address(address: str) -> str:
    """Return the address of a scheduler with its protocol.

    Raises:
        UsageError: It is none.
    """
    protocol, mark, place = address.rpartition("://")
    host, colon, port = place.rpartition(":")
    if (mark and protocol not in _PROTOCOLS) or not (host and colon and port.isdecimal()):
        raise UsageError(
            f"--dask {address!r} is no address of a scheduler",
            "give tcp://HOST:8786, tls://HOST:8786, or local",
        )
    return address if mark else f"tcp://{address}"


def insecure(address: str) -> bool:
    """Whether an address is one of other machines, without encryption."""
    protocol, mark, place = address.partition("://")
    if not mark or protocol in ("tls", "wss", "inproc"):
        return False
    host = place.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True

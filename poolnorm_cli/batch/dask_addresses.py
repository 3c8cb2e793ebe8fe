"""The addresses of Dask schedulers."""

from poolnorm_cli.errors import UsageError


LOCAL = "local"
_PROTOCOLS = ("tcp", "tls", "ucx", "ws", "wss", "inproc")
_SAFE = ("tls", "wss", "inproc")


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
    """Whether an address is without encryption; on the loopback other users of the machine are."""
    protocol, mark, _ = address.partition("://")
    return bool(mark) and protocol not in _SAFE

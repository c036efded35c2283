"""With this folder on PYTHONPATH, Python reaches no address but this machine's own.

The notebooks run under it: a cell that downloads something fails, here as on a train.
"""

import ipaddress
import sys


def refuse_the_outside(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    try:
        outside = not ipaddress.ip_address(host or "127.0.0.1").is_loopback
    except ValueError:
        outside = host != "localhost"
    if outside and host not in ("0.0.0.0", "::"):
        raise PermissionError(f"this run is offline: {event} to {host!r} was refused")


sys.addaudithook(refuse_the_outside)

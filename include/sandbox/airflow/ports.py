"""Free TCP ports that nobody else takes between their choice and their use."""

from __future__ import annotations

import socket
import sys


class PortLease:
    """One free TCP port of 127.0.0.1, held until `close()` or the end of the process.

    On Linux the lease keeps the port bound. A server that sets SO_REUSEADDR, as uvicorn and Redis do, can listen on it all
    the same, while the kernel gives it to nobody else; so a server that is stopped gets its port again when it is started.
    Elsewhere two sockets cannot share a port, and the lease is no more than a port that was free a moment ago.
    """

    def __init__(self) -> None:
        """Take a port of the kernel's choice."""
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        # Set after bind(), which thereby was exclusive: two leases never get one port.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform != "linux":
            self._socket.close()

    def close(self) -> None:
        """Release the port. May be called twice."""
        self._socket.close()

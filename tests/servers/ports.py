"""Ports of 127.0.0.1 for servers of tests, each for one server on this machine as long as these tests run."""

from __future__ import annotations

import socket
import sys

from watchkeeper.embedded import free_port

_reservations: list[socket.socket] = []


def reserved_port() -> int:
    """Find a port that is free and that no process of these tests was given before.

    A server may take seconds to listen, and a restarted one leaves its port for a while: a port that is only
    seen to be free may be found by two. On Linux each is reserved by an abstract Unix socket of its number, which
    ends with the process.
    """
    while True:
        port = free_port()
        if sys.platform != "linux":
            return port
        reservation = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            reservation.bind(f"\0watchkeeper-tests-port-{port}")
        except OSError:
            reservation.close()
            continue
        _reservations.append(reservation)
        return port

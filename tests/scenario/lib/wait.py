"""Waiting: always for something, never longer than a deadline."""
import contextlib
import random
import socket
import time

POLL_S = 0.01


class Deadline(AssertionError):
    """What was waited for did not come."""


def until(what, condition, seconds=5.0):
    """Returns the first true value of condition(); fails with `what` after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Deadline(f"{what}: not within {seconds:g} s")
        time.sleep(POLL_S)


def holds(condition, seconds):
    """True when condition() stays true for `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not condition():
            return False
        time.sleep(POLL_S)
    return True


_reserved = []  # sockets, until this process ends


def free_port():
    """A port that nobody else gets: below the ephemeral range, and bound here for as long as this process lives.

    The gateway binds with SO_REUSEPORT; without the reservation two tests could pick one number in the
    same moment and share its connections. It is taken alone first, and then shared with whom it is for.
    """
    while True:
        reservation = socket.socket()
        try:
            reservation.bind(("127.0.0.1", random.randrange(20000, 32000)))
        except OSError:
            reservation.close()
            continue
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            reservation.setsockopt(socket.SOL_SOCKET, option, 1)
        _reserved.append(reservation)
        return reservation.getsockname()[1]


def three_ports():
    """A port for requests and the two above it, for events and replays, as engines on one host have them."""
    while True:
        first = free_port()
        with contextlib.ExitStack() as stack:
            try:
                for port in (first + 1, first + 2):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
                return first
            except OSError:
                continue


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False

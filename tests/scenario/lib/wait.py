"""Waiting: always for something, never longer than a deadline."""
import random
import socket
import time

POLL_S = 0.01
HANG_S = 30  # ends a test that would hang; how fast something is, is measured and never waited for


class Deadline(AssertionError):
    """What was waited for did not come."""


def until(what, condition, seconds=HANG_S):
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


def _reserve(port):
    """Whether it is ours from now on."""
    reservation = socket.socket()
    try:
        reservation.bind(("127.0.0.1", port))
    except OSError:
        reservation.close()
        return False
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        reservation.setsockopt(socket.SOL_SOCKET, option, 1)
    _reserved.append(reservation)
    return True


def _free_ports(count):
    """The first of so many in a row."""
    while True:
        first = random.randrange(20000, 32000)
        if all(_reserve(first + n) for n in range(count)):
            return first


def free_port():
    """A port that nobody else gets: below the ephemeral range, and bound here for as long as this process lives.

    The gateway binds with SO_REUSEPORT; without the reservation two tests could pick one number in the
    same moment and share its connections. It is taken alone first, and then shared with whom it is for.
    """
    return _free_ports(1)


def three_ports():
    """A port for requests and the two above it, for events and replays, as engines on one host have them."""
    return _free_ports(3)


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False

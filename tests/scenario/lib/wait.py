"""Waiting: always for something, never longer than a deadline."""
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


def free_port():
    """A port below the ephemeral range, so that nobody's outgoing connection takes it meanwhile."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def can_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False

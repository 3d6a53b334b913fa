#!/usr/bin/env python3
"""A publisher of KV events that means harm, made of pyzmq and msgpack: `hostile_publisher.py ADDRESS ATTACK...`.

When somebody listens it does one after the other what the names say (a key of ATTACKS), says so, and stays. A key of
ENDLESS alone is done by hand, without libzmq, until the listener hangs up. 77 where a module is missing.
"""
import itertools
import random
import socket
import struct
import sys
import threading
import time

try:
    import msgpack
    import zmq
except ImportError as missing:
    print(f"SKIP: {missing.name} is not installed")
    sys.exit(77)

PAGE = 16


def stored(hashes, parent=None, tokens=None, page=PAGE, **more):
    return {"type": "BlockStored", "block_hashes": hashes, "parent_block_hash": parent, "block_size": page,
            "token_ids": [7] * (page * len(hashes)) if tokens is None else tokens, "medium": "GPU", **more}


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def batch(*events):
    return msgpack.packb([time.time(), list(events), 0])


def wrong_types():
    for value in (None, 7, -1, 1.5, "x", b"x", [], [[]], {}, {"a": 1}, True):
        for key in ("type", "block_hashes", "parent_block_hash", "token_ids", "block_size", "lora_name", "extra_keys", "group_idx"):
            yield batch({**stored([1, 2]), key: value})
        yield msgpack.packb(value)
        yield msgpack.packb([1.0, value, 0])
        yield msgpack.packb([1.0, [value], 0])


def noise():
    source = random.Random(5)
    for size in (0, 1, 7, 100, 5000):
        for _ in range(20):
            yield source.randbytes(size)
    whole = batch(stored([1, 2, 3]))
    for cut in range(len(whole)):
        yield whole[:cut]


def floods():
    for n in range(30):
        yield batch(stored(list(range(n * 5000, (n + 1) * 5000)), tokens=[n % 100] * (5000 * PAGE)))


def alike():
    """Hashes that differ in high bits only, and the same page under each parent."""
    for n in range(50):
        yield batch(*[stored([(k << 48) | n], parent=((k - 1) << 48) | n if k else None) for k in range(500)])


def crowds():
    """Pages of one token that all hang on one, which comes and goes."""
    yield batch(stored([0], page=1))
    for n in range(10):
        yield batch(stored([1 + n * 60000], parent=0, page=1),
                    *[stored([1 + n * 60000 + k], parent=0, page=1) for k in range(20000)])
        yield batch(*[event for k in range(10000) for event in (removed([0]), stored([0], page=1))])


def removed(hashes):
    return {"type": "BlockRemoved", "block_hashes": hashes, "medium": "GPU"}


def leaps():
    """Numbers in no order at all, each batch with pages."""
    source = random.Random(6)
    for n in range(3000):
        yield [b"kv@", struct.pack(">Q", source.randrange(1 << 63)), batch(stored(list(range(n * 500, n * 500 + 500))))]


def whole(payloads):
    """As they come, numbered one after the other."""
    for payload in payloads:
        number = next(NUMBERS)
        yield [b"kv@", struct.pack(">Q", number), payload]


def frames():
    return [[b"kv@one"], [b"kv@", b"b"], [b"kv@"] * 9, [b"kv@", b"short", b""], [b"kv@", b"\xff" * 8, b""], [b"kv@"] * 1000]


NUMBERS = itertools.count()
ATTACKS = {
    "wrong_types": lambda: whole(wrong_types()),
    "noise": lambda: whole(noise()),
    "depth": lambda: whole([b"\x91" * 200000, msgpack.packb([1.0, [nested(400)], 0]),
                            b"\x93" + b"\xdd\xff\xff\xff\xff" * 1000]),
    "promises": lambda: whole([b"\x93\xcb" + b"\0" * 8 + b"\xdd\xff\xff\xff\xff", b"\x93\x01\x91\xdf\xff\xff\xff\xff",
                               b"\x93\x01\x91\x9c\xdb\xff\xff\xff\xffBlockStored"]),
    "unknown": lambda: whole([batch(*[{"type": "BlockMoved", "n": n} for n in range(60000)])]),
    "floods": lambda: whole(floods()),
    "alike": lambda: whole(alike()),
    "crowds": lambda: whole(crowds()),
    "leaps": leaps,
    "frames": frames,
    "huge": lambda: whole([b"\x93" + b"\0" * (32 << 20)]),
}


# Parts of one message that has no last one, and the socket that says them.
PARTS = b"\x03" + struct.pack(">Q", 1 << 20) + b"\x93" * (1 << 20)
ENDLESS = {
    "endless_parts": (b"PUB", PARTS),
    "endless_nothings": (b"PUB", b"\x01\x00" * (1 << 19)),
    "endless_replay": (b"ROUTER", PARTS),
    "endless_replay_alone": (b"ROUTER", PARTS),
}


def read(link, size):
    while size:
        size -= len(link.recv(size)) or sys.exit("the listener left while it was greeted")


def greet(listener, kind):
    """ZMTP 3.1 by hand: greetings, READY, what the other side says."""
    link = listener.accept()[0]
    link.sendall(b"\xff" + b"\0" * 8 + b"\x7f\x03\x01NULL" + b"\0" * 48)
    read(link, 64)
    ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
    link.sendall(bytes([4, len(ready)]) + ready)
    read(link, 2)
    return link


def endless(address, name):
    """Parts as fast as they are taken. Of a replay `alone`: the publisher hangs up when it is asked for one."""
    kind, parts = ENDLESS[name]
    host, port = address.removeprefix("tcp://").split(":")
    listener = socket.create_server((host, int(port)))
    if name == "endless_replay_alone":
        replays = socket.create_server((host, int(port) + 1))
        live = greet(listener, b"PUB")
        link = greet(replays, kind)
        live.close()
        listener.close()
        time.sleep(0.6)  # some looks at the wires later
    else:
        link = greet(listener, kind)
    try:
        while True:
            link.sendall(parts)
    except OSError:
        print(f"done {name}", file=sys.stderr, flush=True)


def main():
    if sys.argv[2] in ENDLESS:
        endless(*sys.argv[1:])
        threading.Event().wait()
    pub = zmq.Context().socket(zmq.XPUB)
    pub.linger = pub.sndhwm = 0
    pub.bind(sys.argv[1])
    pub.recv()  # a subscription: somebody listens
    for name in sys.argv[2:]:
        for message in ATTACKS[name]():
            pub.send_multipart(message)
        print(f"done {name}", file=sys.stderr, flush=True)
    threading.Event().wait()


main()

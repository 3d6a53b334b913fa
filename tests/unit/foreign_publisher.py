#!/usr/bin/env python3
"""A publisher of KV events made of other people's parts: pyzmq and msgpack, as vLLM and SGLang use them.

Prints the addresses of its PUB and ROUTER sockets, then publishes what the name says, a heartbeat every 20 ms, and
answers replays, until its standard input ends. 77 where a module is missing.
"""
import struct
import sys
import time

try:
    import msgpack
    import zmq
except ImportError as missing:
    print(f"SKIP: {missing.name} is not installed")
    sys.exit(77)

PAGE, BLOCKS = 16, 8
TOKENS = [7] * (PAGE * BLOCKS)
HASHES = [0x7B0BF7BF7FD01682 + block for block in range(BLOCKS)]
FORMS = {
    "vllm_maps": {
        "type": "BlockStored", "block_hashes": HASHES, "parent_block_hash": None, "token_ids": TOKENS,
        "block_size": PAGE, "lora_id": None, "medium": "GPU", "lora_name": None, "extra_keys": [None] * BLOCKS,
        "group_idx": 0, "kv_cache_spec_kind": "full_attention", "session_id": "new here",
    },
    "vllm_arrays": ["BlockStored", HASHES, None, TOKENS, PAGE, None, "GPU", None, None, 0, "full_attention", None],
    "vllm_bytes": {
        "type": "BlockStored", "block_hashes": [b"\0" * 24 + struct.pack(">Q", each) for each in HASHES],
        "parent_block_hash": None, "token_ids": TOKENS, "block_size": PAGE, "medium": None,
    },
    "sglang_arrays": ["BlockStored", [each - (1 << 63) for each in HASHES], None, TOKENS, PAGE, None, "GPU"],
    "sglang_maps": {"type": "BlockStored", "block_hashes": [-each - 1 for each in range(BLOCKS)],
                    "token_ids": TOKENS, "block_size": PAGE},
    "trtllm": {"type": "BlockStored", "block_hashes": HASHES, "parent_block_hash": None, "token_ids": TOKENS,
               "block_size": PAGE, "lora_id": None, "medium": "GPU", "lora_name": None},
}


def serve_replay(router, kept, with_topic):
    peer, empty, start = router.recv_multipart()
    head = [peer, empty, b"kv"] if with_topic else [peer, empty]
    for number, payload in kept:
        if number >= struct.unpack(">Q", start)[0]:
            router.send_multipart(head + [struct.pack(">Q", number), payload])
    router.send_multipart(head[:2] + ([b""] if with_topic else []) + [b"\xff" * 8, b""])


def main():
    form = sys.argv[1]
    context = zmq.Context()
    pub, router = context.socket(zmq.PUB), context.socket(zmq.ROUTER)
    for socket in (pub, router):
        socket.linger = 0
        socket.bind("tcp://127.0.0.1:*")
        print(socket.last_endpoint.decode(), flush=True)
    number = time.time_ns() if form == "trtllm" else 0
    kept, events = [], [FORMS[form]]
    poller = zmq.Poller()
    poller.register(router, zmq.POLLIN)
    poller.register(sys.stdin.fileno(), zmq.POLLIN)
    while True:
        payload = msgpack.packb([time.time(), events, 0])
        kept.append((number, payload))
        pub.send_multipart([b"kv@e1@m", struct.pack(">Q", number), payload])
        number, events = number + 1, []
        ready = dict(poller.poll(20))
        if sys.stdin.fileno() in ready:
            return
        if router in ready:
            serve_replay(router, kept, with_topic=not form.startswith("sglang"))


main()

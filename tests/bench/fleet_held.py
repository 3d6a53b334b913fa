#!/usr/bin/env python3
"""fleet_held.py: how long an endpoint has nothing to do while requests for it wait in the gateway.

Engines with room for one request each (`concurrency: 1`), and four times as many clients, so that the gateway always holds
some. An engine counts the time from when its last sequence was done until the next one came: the answer's end on its way
to the gateway, the release, the request on its way back, and its reading. With one worker and with four, where the one who
ends and the one who is let go are mostly on different workers. Beside it as many clients as engines: nobody is held, and
the next request is what the client asks when it has read its answer.
"""
import argparse
import http.client
import json
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True

from fleet_rig import Gateway, configuration, needed, replica

ENGINES = 4
HELD_CLIENTS = 4 * ENGINES
SCALE = 0.1
BODY = json.dumps({"model": "sim", "prompt": [1, 2, 3], "max_tokens": 16, "ignore_eos": True})


def idles(engines):
    total = {"idles": 0, "idle_us": 0, "idles_over_ms": 0}
    for engine in engines:
        stats = engine.stats()
        total = {name: value + stats[name] for name, value in total.items()}
    return total


def per_idle(before, after):
    """(mean us, share over a millisecond, how many) of the idle times between two readings."""
    count = after["idles"] - before["idles"]
    return (after["idle_us"] - before["idle_us"]) / count, (after["idles_over_ms"] - before["idles_over_ms"]) / count, count


def ask(link):
    link.request("POST", "/v1/completions", BODY, {"content-type": "application/json"})
    answer = link.getresponse()
    if answer.read() and answer.status != 200:
        raise AssertionError(f"answered {answer.status}")


def ask_until(gateway, over):
    link = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    while not over.is_set():
        ask(link)
    link.close()


def measure(workers, clients, seconds):
    """What idles were with so many clients, each of which asks again at once."""
    engines = [replica(SCALE, 600) for _ in range(ENGINES)]
    over = threading.Event()
    with tempfile.TemporaryDirectory(prefix="sluice-fleet-") as scratch:
        gateway = Gateway(configuration(engines, SCALE, "least_requests", workers, concurrency=1), scratch=scratch)
        threads = [threading.Thread(target=ask_until, args=(gateway, over)) for _ in range(clients)]
        try:
            for thread in threads:
                thread.start()
            time.sleep(1)
            before = idles(engines)
            time.sleep(seconds)
            return per_idle(before, idles(engines))
        finally:
            over.set()
            for thread in threads:
                thread.join()
            for process in (gateway, *engines):
                process.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--workers", default="1,4")
    options = parser.parse_args()
    needed("sluice", "sluice-engine")
    for workers in options.workers.split(","):
        for words, clients in (("held", HELD_CLIENTS), ("asked anew", ENGINES)):
            mean_us, over, count = measure(int(workers), clients, options.seconds)
            print(f"{workers} worker{'s' if workers != '1' else ' '} {words:10} idle for {mean_us:5.0f} us on average, "
                  f"{100 * over:5.2f} % of {count} times over a millisecond", flush=True)


if __name__ == "__main__":
    sys.exit(main())

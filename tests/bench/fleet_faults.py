#!/usr/bin/env python3
"""fleet_faults.py: endpoints are killed, frozen, slowed and restarted while eight of them are under load.

Agents (tests/bench/fleet/workloads.def) ask over HTTP at a part of what the fleet can do, all durations times --scale. One
thing happens after the other; between two of them the fleet has time to recover. Of each it prints what clients saw: how
many answers were refused, which another endpoint could have given, and how many broke off after they had begun, which
nobody could help; hit rate and TTFT until the next one; and how long it took until both were again near what they
were in the steady time before. No answer may be refused.
"""
import argparse
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True

from fleet_rig import ENGINES, HERE, Gateway, Usage, configuration, load_command, milliseconds, needed, read_report, replica

WORKLOAD = "agents"
RATE = 18.5  # requests a simulated second at speed 1, those of sessions that were under way at the beginning included
WARM_S = 120  # simulated: caches fill
GAP_S = 120  # between two events
BUCKET_S = 10
HIT_POINTS = 3
TTFT_PARTS = 1.5


class Fleet:
    """Engines by number; a killed one comes back at its address, with nothing in its cache."""

    def __init__(self, scale, blocks):
        self.scale, self.blocks = scale, blocks
        self.engines = [replica(scale, blocks) for _ in range(ENGINES)]
        self.gone = []

    def kill(self, i):
        self.engines[i].process.kill()
        self.engines[i].wait()

    def end(self, i):
        self.engines[i].process.terminate()
        self.engines[i].wait()

    def start(self, i):
        self.gone.append(self.engines[i])
        self.engines[i] = replica(self.scale, self.blocks, port=self.engines[i].port)

    def stop(self):
        for engine in self.engines + self.gone:
            engine.stop()


# (what clients are told of, what is done to the fleet)
EVENTS = [
    ("killed (SIGKILL)", lambda fleet: fleet.kill(1)),
    ("back, empty", lambda fleet: fleet.start(1)),
    ("frozen (SIGSTOP)", lambda fleet: fleet.engines[2].signal(19)),
    ("thawed", lambda fleet: fleet.engines[2].signal(18)),
    ("four times slower", lambda fleet: fleet.engines[3].fault("slow=4")),
    ("as fast as before", lambda fleet: fleet.engines[3].fault("slow=1")),
    ("asked to end (SIGTERM), started anew", lambda fleet: (fleet.end(4), fleet.start(4))),
]


def make_events(fleet, scale, begun, done):
    """Does each at its time; appends (simulated second, words)."""
    for number, (words, act) in enumerate(EVENTS):
        at_s = WARM_S + (number + 1) * GAP_S
        time.sleep(max(0, begun + at_s * scale - time.monotonic()))
        act(fleet)
        done.append((at_s, words))


def of(buckets, from_s, to_s):
    """Sums of the buckets that begin in [from_s, to_s)."""
    some = [bucket for bucket in buckets if from_s <= bucket["from_s"] < to_s]
    asked = sum(bucket["asked"] for bucket in some)
    return {**{name: sum(bucket[name] for bucket in some) for name in ("asked", "refused", "broken")},
            **{name: sum(bucket[name] * bucket["asked"] for bucket in some) / max(asked, 1) for name in ("hit", "ttft")}}


def recovered(buckets, from_s, to_s, steady):
    """When it was first as good as in the steady time after it was not, in words."""
    felt = False
    for bucket in (one for one in buckets if from_s <= one["from_s"] < to_s):
        good = bucket["hit"] >= steady["hit"] - HIT_POINTS and bucket["ttft"] <= TTFT_PARTS * steady["ttft"]
        if good and felt:
            return f"{bucket['from_s'] - from_s:.0f} s"
        felt = felt or not good
    return "not before the next" if felt else "not felt"


def print_row(words, figures, after=""):
    print(f"{words:38} {figures['asked']:6} {figures['refused']:8} {figures['broken']:7} {figures['hit']:6.1f} "
          f"{figures['ttft']:8.3f}   {after}", flush=True)


def print_report(report):
    buckets = report["buckets"]
    steady = of(buckets, WARM_S, WARM_S + GAP_S)
    print(f"{'':38} {'asked':>6} {'refused':>8} {'broken':>7} {'hit %':>6} {'TTFT s':>8}   recovered after")
    print_row("steady", steady)
    for number, (words, _) in enumerate(EVENTS):
        from_s = WARM_S + (number + 1) * GAP_S
        print_row(words, of(buckets, from_s, from_s + GAP_S), recovered(buckets, from_s, from_s + GAP_S, steady))


def run(options):
    fleet = Fleet(options.scale, options.blocks)
    health = {"active": True, "interval": milliseconds(options.probe), "timeout": milliseconds(options.probe / 2)}
    patience = milliseconds(options.first_token * options.scale)
    timeouts = {"first_token": patience, "idle": patience}
    seconds = WARM_S + (len(EVENTS) + 1) * GAP_S
    requests = int(RATE * options.speed * seconds)
    with tempfile.TemporaryDirectory(prefix="sluice-fleet-") as scratch:
        gateway = Gateway(configuration(fleet.engines, options.scale, options.route, health=health, timeouts=timeouts), scratch=scratch)
        try:
            usage = Usage([gateway])
            load = subprocess.Popen(load_command(gateway, WORKLOAD, options.speed, "whole", options.seed, options.scale, requests,
                                                 BUCKET_S), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    text=True, cwd=HERE.parents[1])
            done = []
            acts = threading.Thread(target=make_events, args=(fleet, options.scale, time.monotonic(), done), daemon=True)
            acts.start()
            out, words = load.communicate()
            acts.join(GAP_S * options.scale)
            _, busy = usage.read()
            return read_report(subprocess.CompletedProcess(load.args, load.returncode, out, words)), busy, gateway.metrics()
        finally:
            for process in (gateway, fleet):
                process.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.1, help="real seconds a simulated one (0.1: 2 minutes)")
    parser.add_argument("--speed", type=float, default=0.6, help="of the workload; at 1 the fleet has nothing to spare")
    parser.add_argument("--blocks", type=int, default=600, help="of 512 tokens, an engine")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--route", default="price")
    parser.add_argument("--probe", type=float, default=1, help="real seconds between health checks")
    parser.add_argument("--first-token", type=float, default=20, help="simulated seconds until an endpoint is given up")
    options = parser.parse_args()
    needed("sluice", "sluice-engine", "tests/trace_load")
    report, busy, metrics = run(options)
    print_report(report)
    print(f"{report['asked']} asked, {report['refused']} refused, {report['broken']} broke off, "
          f"{metrics.total('sluice_retries_total'):.0f} tried again, {metrics.total('sluice_retries_refused_total'):.0f} not for the "
          f"budget; machine {100 * busy:.0f} % busy")
    print(report["words"], end="")
    return 1 if report["refused"] else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""fleet_http.py: the conversation trace over HTTP, sluice before eight engines, beside the simulator.

The engines' steps and caches are the simulator's (tests/engine/batch), the requests the same, at the same times, all
durations multiplied by --scale. For each way to choose it prints what clients saw, in simulated seconds, and what the
simulator says of the same requests; then what must hold of them:

- TTFT means stand in the simulator's order, and hit rates within 2 points of it;
- price has at most half of round robin's TTFT p90;
- --workers 1,4: TTFT means are within 5 % of each other.

Processes that have no processor to run on answer late, and that is not the gateway's doing: a run in which the machine
was busier than --busy is printed, and not judged.
"""
import argparse
import sys
import tempfile

sys.dont_write_bytecode = True

from fleet_rig import ENGINES, Gateway, Usage, configuration, needed, replica, run_load, simulate

WORKLOAD = "conversation"
HIT_POINTS = 2
P90_PARTS = 0.5
WORKERS_PARTS = 0.05
BUSY = 0.85


class Run:
    """One way to choose, once."""

    def __init__(self, route, workers, report, spent, busy):
        self.route, self.workers, self.report, self.busy = route, workers, report, busy
        wall_s = report["wall_s"]
        self.gateway, self.engines, self.load = spent[0] / wall_s, sum(spent[1:]) / wall_s, report["cpu_s"] / wall_s
        self.failed = report["refused"] + report["broken"]

    def line(self):
        return (f"{self.route:15} {self.workers} worker{'s' if self.workers > 1 else ' '} {figures_line(self.report)}   "
                f"{self.gateway:.2f} {self.engines:.2f} {self.load:.2f} of a processor, machine {100 * self.busy:.0f} %")


def figures_line(figures):
    return (f"{figures['hit']:5.1f} {figures['ttft']:8.3f} {figures['p50']:6.2f} {figures['p90']:6.2f} {figures['p99']:6.2f} "
            f"{figures['tpot99']:6.0f} {figures['e2e']:7.2f}")


def run(route, workers, options):
    engines = [replica(options.scale, options.blocks) for _ in range(ENGINES)]
    with tempfile.TemporaryDirectory(prefix="sluice-fleet-") as scratch:
        gateway = Gateway(configuration(engines, options.scale, route, workers), scratch=scratch)
        try:
            usage = Usage([gateway, *engines])
            report = run_load(gateway, WORKLOAD, options.speed, options.part, options.seed, options.scale, options.requests)
            spent, busy = usage.read()
            return Run(route, workers, report, spent, busy)
        finally:
            for process in (gateway, *engines):
                process.stop()


class Findings(list):
    def expect(self, holds, sentence):
        print(f"{'ok    ' if holds else 'MISSED'} {sentence}", flush=True)
        if not holds:
            self.append(sentence)


def judge(found, runs, simulated):
    """Of runs with one worker, the first of each route; then of those with more beside theirs."""
    ours = {}
    for one in runs:
        ours.setdefault(one.route, one)
    by_ttft = {name: sorted(ours, key=lambda route: figures[route]["ttft"])
               for name, figures in (("http", {route: one.report for route, one in ours.items()}), ("simulator", simulated))}
    found.expect(by_ttft["http"] == by_ttft["simulator"], f"TTFT mean from least: {', '.join(by_ttft['http'])}; the simulator "
                                                          f"says {', '.join(by_ttft['simulator'])}")
    for route, one in ours.items():
        apart = one.report["hit"] - simulated[route]["hit"]
        found.expect(abs(apart) <= HIT_POINTS, f"{route}: hit rate {apart:+.2f} points from the simulator's")
    if "price" in ours and "round_robin" in ours:
        parts = ours["price"].report["p90"] / ours["round_robin"].report["p90"]
        found.expect(parts <= P90_PARTS, f"price has {parts:.2f} of round robin's TTFT p90")
    for one in runs:
        if one is not ours[one.route] and one.workers != ours[one.route].workers:
            parts = one.report["ttft"] / ours[one.route].report["ttft"]
            found.expect(abs(parts - 1) <= WORKERS_PARTS, f"{one.route}: {one.workers} workers have {parts:.3f} of "
                                                          f"{ours[one.route].workers}'s TTFT mean")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.2, help="real seconds a simulated one (0.2: 4 minutes a run)")
    parser.add_argument("--speed", type=float, default=1.6, help="of the trace; 1.6 is all that eight engines can do")
    parser.add_argument("--blocks", type=int, default=3000, help="of 512 tokens, an engine")
    parser.add_argument("--part", default="test", help="of the trace: whole, train or test (the half nothing was tuned on)")
    parser.add_argument("--requests", type=int, default=0, help="the first so many (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="spreads arrivals within the trace's 3 s")
    parser.add_argument("--routes", default="round_robin,least_requests")
    parser.add_argument("--workers", default="1", help="of the gateway; 1,4: the last route once more with 4")
    parser.add_argument("--busy", type=float, default=BUSY, help="share of the machine past which nothing is judged")
    options = parser.parse_args()
    needed("sluice", "sluice-engine", "tests/fleet", "tests/trace_load")
    routes, (first, *others) = options.routes.split(","), [int(word) for word in options.workers.split(",")]
    print(f"{'':25} {'hit %':>5} {'TTFT s':>8} {'p50':>6} {'p90':>6} {'p99':>6} {'TPOT99':>6} {'E2E s':>7}   gateway, engines, load")
    simulated = simulate(WORKLOAD, options.speed, options.part, 1, options.blocks, routes, options.requests)
    for route in routes:
        print(f"{route:15} simulator {figures_line(simulated[route])}", flush=True)
    runs = []
    for route, workers in [(route, first) for route in routes] + [(routes[-1], workers) for workers in others]:
        runs.append(run(route, workers, options))
        print(runs[-1].line(), flush=True)
        if runs[-1].failed:
            print(runs[-1].report["words"])
    found = Findings()
    found.expect(not any(one.failed for one in runs), "every answer was whole")
    late = max(one.report["late"] for one in runs)
    if max(one.busy for one in runs) > options.busy:
        print(f"not judged: the machine had no processor left; requests were asked {late:.3f} s late on average")
    else:
        judge(found, runs, simulated)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""What fleet_http.py and fleet_faults.py have in common: engines like the simulator's replicas, a gateway, the load.

All times of the fleet are the simulator's, times `scale`: the engines' steps, the arrivals, and what the gateway is
told of seconds.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scenario"))

from lib import config
from lib.harness import BUILD, SANITIZERS, Engine, Gateway
from lib.wait import three_ports

ENGINES = 8
BLOCK_TOKENS = 512  # the trace's; pages and block keys are as long
MODEL_TOKENS = 200000  # over the longest prompt of the trace
# The simulator's defaults (fleet/sim.c, routing/scorers.def): seconds.
ROOM_S, PRESSURE_S, QUEUE_S, SCRAPE_S = 1, 20, 50, 0.1
FIGURES = ("hit", "ttft", "p50", "p90", "p99", "tpot99", "e2e")


def needed(*programs):
    """Exits where one was not built or the trace is missing."""
    missing = [program for program in programs if not (BUILD / program).exists()]
    if missing:
        sys.exit(f"not built: {', '.join(missing)} (cmake --build {BUILD} --target {' '.join(p.split('/')[-1] for p in missing)})")
    if not (HERE.parents[1].parent / "shared" / "traces" / "conversation_trace.jsonl.gz").exists():
        print("SKIP: no conversation_trace.jsonl.gz in ../shared/traces")
        sys.exit(77)


def replica(scale, blocks, *more, port=None):
    """An engine whose steps and cache are the simulator's; it publishes one port above its own, and again two above."""
    port = port or three_ports()
    events = ["--kv-events", f"tcp://127.0.0.1:{port + 1}", "--kv-events-replay", f"tcp://127.0.0.1:{port + 2}"]
    return Engine("--block-size", BLOCK_TOKENS, "--blocks", blocks, "--max-model-len", MODEL_TOKENS, "--no-cache-outputs",
                  *events, *more, port=port, time_scale=scale)


def milliseconds(seconds):
    return f"{max(1, round(seconds * 1000))}ms"


def configuration(engines, scale, route, workers=1, **pool):
    """What the simulator's gateway is told in seconds, sluice is told in the fleet's. What it learns of them it learns."""
    told = {"price": {"room": ROOM_S * scale, "pressure": PRESSURE_S * scale},
            "timeouts": {"queue": milliseconds(QUEUE_S * scale)},
            "metrics": {"interval": milliseconds(max(SCRAPE_S * scale, 0.05))},
            "kv_events": "tcp://{host}:{port+1}", "kv_events_replay": "tcp://{host}:{port+2}"}
    return config.gateway(
        config.pool("fleet", [engine.url for engine in engines], route=route, **{**told, **pool}),
        models=[config.model("sim", "fleet")], workers=workers, tokens={"key_block": BLOCK_TOKENS}, access_log="off",
        log_level="error", memory="4GB", prefix_seed=1)


class Usage:
    """Processor seconds of processes, and of the whole machine, since it was made."""

    def __init__(self, processes):
        self.processes = processes
        self.begun = self._now()

    def _now(self):
        ticks = [int(field) for field in open("/proc/stat").readline().split()[1:9]]
        per_second = os.sysconf("SC_CLK_TCK")
        return [process.cpu_s() for process in self.processes], sum(ticks) / per_second, (ticks[3] + ticks[4]) / per_second

    def read(self):
        """(seconds of each process, share of the machine that was busy)."""
        (mine, whole, idle), (mine_before, whole_before, idle_before) = self._now(), self.begun
        return [now - before for now, before in zip(mine, mine_before)], 1 - (idle - idle_before) / (whole - whole_before)


def load_command(gateway, workload, speed, part, seed, scale, requests=0, bucket=0):
    return [str(word) for word in (BUILD / "tests" / "trace_load", gateway.port, workload, speed, part, seed, scale, requests,
                                   bucket)]


def read_report(done):
    if not done.stdout.startswith("{"):
        raise AssertionError(f"trace_load ended with {done.returncode}: {done.stderr[-4000:]}")
    return {**json.loads(done.stdout), "words": done.stderr}


def run_load(*arguments, **more):
    """trace_load's report."""
    return read_report(subprocess.run(load_command(*arguments, **more), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                      cwd=HERE.parents[1], env={**os.environ, **SANITIZERS}))


def simulate(workload, speed, part, seeds, blocks, policies, requests=0, **more):
    """{policy: its figures} of the simulator."""
    command = [BUILD / "tests" / "fleet", "run", workload, "--speed", speed, "--part", part, "--seeds", seeds, "--blocks", blocks,
               "--requests", requests, "--policy", ",".join(policies)]
    for name, value in more.items():
        command += ["--" + name, value]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=HERE.parents[1], check=True)
    found = {}
    for line in done.stdout.splitlines()[1:]:
        name, rest = line.split(None, 1)
        numbers = [float(number) for number in re.findall(r"[\d.]+", re.sub(r"±\s*[\d.]+", "", rest))]
        found[name] = dict(zip(FIGURES, numbers))
    return found

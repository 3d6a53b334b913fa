#!/usr/bin/env python3
"""Minutes of everything at once, after which the gateway must have accounted for all of it.

Four engines with faults, one gateway, and soak_load's clients over HTTP/1.1, h2c and TLS: streams, plain answers,
clients that leave and clients that read slowly. Two pools: in `steady` all must add up exactly, in `rough` connections
break and endpoints fail at random. At the end:

- every answer ended in a way that soak_kinds.def allows, and there were at least --least of them;
- every exchange that was started has finished with a reason, none is active, no byte is held, one access line each;
- the engines of `steady` saw exactly the clients that left, and the gateway counted the same;
- the engines of both work for nobody any more;
- the gateway's memory after the warm-up and at the end differ by less than a tenth;
- no sanitizer said anything, nobody logged an error, everybody ended with status 0 when asked.

--seconds 60 is for development. --reload S sends a SIGHUP every S seconds.
"""
import argparse
import fcntl
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE.parent / "scenario"))

from lib import config
from lib.harness import BUILD, SANITIZED, SANITIZERS, SLOWER, Engine, Gateway
from lib.tlsfiles import Authority
from lib.wait import until

POOLS = ("steady", "rough")
# What the engines of `rough` do to requests that ask for nothing: kind, probability.
ROUGH_FAULTS = [("reset-head", 0.01), ("close-head", 0.005), ("status=503", 0.01), ("reset-events=2", 0.01),
                ("close-events=2", 0.005), ("malformed-chunk=2", 0.002), ("malformed-head", 0.002)]
# Attempts that the gateway gives up on its own account; the engine sees a leaver, the gateway counts none.
GIVEN_UP = ("first_token_timeout", "idle_timeout", "endpoint_malformed", "endpoint_reset", "endpoint_truncated")
ANSWER_TOKENS = 100000  # of answers that nothing cuts short: longer than any client stays
GROWTH = 0.10
WARM_UP = 0.4  # of the time
WINDOW = 0.2  # of the time: compared are the one after the warm-up and the last one
JUDGED_S = 120  # in less, memory is still finding its level


class Lines(threading.Thread):
    """Counts what is written to a named pipe, so that an access log of a million lines needs no disk."""

    def __init__(self, path):
        super().__init__(daemon=True)
        os.mkfifo(path)
        self.fd = os.open(path, os.O_RDWR)  # also a writer: reopening the log is no end of file
        fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, 1 << 20)
        self.count, self.wrong, self.rest = 0, [], b""
        self.start()

    def run(self):
        while True:
            *lines, self.rest = (self.rest + os.read(self.fd, 1 << 20)).split(b"\n")
            self.count += len(lines)
            self.wrong += [line for line in lines if not (line.startswith(b"{") and line.endswith(b"}"))][:5]


class Watch(threading.Thread):
    """Samples the gateway's resident memory once a second, and asks it to reload if that is wanted."""

    def __init__(self, gateway, reload_s):
        super().__init__(daemon=True)
        self.gateway, self.reload_s = gateway, reload_s
        self.rss_kb, self.reloads, self.over = [], 0, threading.Event()
        self.start()

    def run(self):
        begun = time.monotonic()
        while not self.over.wait(1):
            if not self.gateway.running():
                return
            self.rss_kb.append(self.gateway.rss_kb())
            if self.reload_s and time.monotonic() - begun >= self.reload_s * (self.reloads + 1):
                self.gateway.reload()
                self.reloads += 1

    def end(self):
        self.over.set()
        self.join()

    def growth(self):
        """(KB after the warm-up, KB at the end): medians, since what is under way differs from second to second."""
        count = len(self.rss_kb)
        warm, window = int(count * WARM_UP), max(1, int(count * WINDOW))
        return statistics.median(self.rss_kb[warm:warm + window] or [0]), statistics.median(self.rss_kb[-window:] or [0])

    def course(self):
        """The samples of ten moments, in MB."""
        return " ".join(f"{kb / 1024:.0f}" for kb in self.rss_kb[::max(1, len(self.rss_kb) // 10)])


def configuration(folder, engines, workers):
    certificate, key = Authority(folder).issue("soak", names=("soak.test",))
    schemes = ("http", "h2c")
    pools = [config.pool(name, [f"{schemes[i % 2]}://127.0.0.1:{engine.port}" for i, engine in enumerate(engines[name])],
                         timeouts={"first_token": f"{2 * SLOWER}s"}, health={"active": True, "eject_for": "200ms",
                                                                             "slow_return": "200ms", "interval": "1s"})
             for name in POOLS]
    listeners = [config.listener(), config.listener(tls={"certificate": str(certificate), "key": str(key)})]
    return config.gateway(pools, models=[config.model(name, name) for name in POOLS], listeners=listeners, workers=workers,
                          access_log=str(folder / "access.fifo"), log_level="error")


def start_engines():
    """{pool: its engines}."""
    fleet = {name: [Engine("--model", name, "--tokens", ANSWER_TOKENS, time_scale=0.001) for _ in range(2)] for name in POOLS}
    for engine in fleet["rough"]:
        for kind, probability in ROUGH_FAULTS:
            engine.fault(kind, count=-1, probability=probability)
    return fleet


def run_load(gateway, seconds, scale):
    """soak_load's report, and its words about answers that ended wrongly."""
    ports = [str(config.port_of(gateway.configuration, i)) for i in range(2)]
    done = subprocess.run([BUILD / "tests" / "soak_load", str(seconds), *ports, str(scale)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=seconds + 120 * SLOWER, env={**os.environ, **SANITIZERS})
    if not done.stdout.startswith("{"):
        raise AssertionError(f"soak_load ended with {done.returncode}: {done.stderr[-4000:]}")
    return json.loads(done.stdout), done.stderr


def engine_total(engines, name):
    return sum(engine.stats()[name] for engine in engines)


def wait_idle(engines):
    """Nobody is served, and nothing computed, for a client that is gone."""
    try:
        until("the engines are idle", lambda: engine_total(engines, "in_flight") == 0, 10 * SLOWER)
    except AssertionError as error:
        raise AssertionError(f"{error}: {[engine.stats() for engine in engines]}") from None


def left(report, *kinds):
    return sum(report["kinds"][kind]["leave"] for kind in kinds)


class Findings(list):
    def expect(self, holds, sentence):
        print(f"{'ok   ' if holds else 'WRONG'} {sentence}", flush=True)
        if not holds:
            self.append(sentence)


def judge_clients(found, report, words, least):
    found.expect(report["wrong"] == 0, f"{report['wrong']} answers ended wrongly\n{words[-6000:]}".rstrip())
    found.expect(report["asked"] >= least, f"{report['asked']} asked, at least {least}")


def judge_accounts(found, metrics, lines):
    started = metrics.total("sluice_exchanges_started_total")
    finished = metrics.by("sluice_exchanges_finished_total", "reason")
    dropped = metrics.total("sluice_access_lines_dropped_total")
    found.expect(started == sum(finished.values()), f"{started:.0f} started, {sum(finished.values()):.0f} finished")
    found.expect(metrics.total("sluice_exchanges_active") == 0, "none is active")
    found.expect("internal" not in finished, "none failed within the gateway")
    found.expect(lines.count + dropped == started and not lines.wrong,
                 f"{lines.count} access lines, {dropped:.0f} dropped {lines.wrong or ''}".rstrip())
    print("      by reason: " + ", ".join(f"{reason} {n:.0f}" for reason, n in sorted(finished.items(), key=lambda x: -x[1])))


def judge_aborts(found, metrics, engines, report):
    """In steady to the one; in rough the engine may have ended before it heard, or the gateway have given up itself."""
    gateway = {name: metrics.total("sluice_endpoint_aborts_total", pool=name) for name in POOLS}
    seen = {name: engine_total(engines[name], "aborts") for name in POOLS}
    given_up = sum(metrics.total("sluice_attempts_total", pool="rough", reason=reason) for reason in GIVEN_UP)
    clients = {"steady": left(report, "leaves"), "rough": left(report, "rough_leaves", "rough_silent")}
    found.expect(clients["steady"] == gateway["steady"] == seen["steady"],
                 f"steady: {clients['steady']} clients left, the gateway aborted {gateway['steady']:.0f}, "
                 f"its engines saw {seen['steady']}")
    found.expect(gateway["rough"] <= clients["rough"] and seen["rough"] <= gateway["rough"] + given_up,
                 f"rough: {clients['rough']} clients left, the gateway aborted {gateway['rough']:.0f} "
                 f"and gave up {given_up:.0f} itself, its engines saw {seen['rough']}")


def judge_memory(found, watch, seconds):
    before, after = watch.growth()
    words = f"{before / 1024:.1f} MB resident after the warm-up, {after / 1024:.1f} MB at the end ({watch.course()})"
    if SANITIZED or seconds < JUDGED_S:  # sanitizers keep freed memory: it grows by design
        print(f"      {words}, not judged {'under a sanitizer' if SANITIZED else 'so early'}")
    else:
        found.expect(abs(after - before) <= GROWTH * before, words)


def judge_processes(found, gateway, engines):
    for process in [gateway, *engines]:
        process.stop()
        for problem in process.problems():
            found.expect(False, problem)
    errors = [line for line in gateway.lines if '"level":"error"' in line or " error " in line or "CHECK" in line]
    found.expect(not errors, "\n".join([f"{len(errors)} lines of errors", *errors[:10]]))


def soak(arguments, folder):
    found = Findings()
    engines = start_engines()
    every = [engine for name in POOLS for engine in engines[name]]
    lines = Lines(folder / "access.fifo")
    gateway = Gateway(configuration(folder, engines, arguments.workers), scratch=folder)
    try:
        watch = Watch(gateway, arguments.reload)
        report, words = run_load(gateway, arguments.seconds, arguments.scale)
        watch.end()
        gateway.wait_settled(20 * SLOWER)
        wait_idle(every)
        until("the last access line", lambda: lines.count >= gateway.metrics().total("sluice_exchanges_started_total"), 5)
        metrics = gateway.metrics()
        judge_clients(found, report, words, arguments.least)
        judge_accounts(found, metrics, lines)
        judge_aborts(found, metrics, engines, report)
        judge_memory(found, watch, arguments.seconds)
        print(f"      {report['asked'] / arguments.seconds:.0f} exchanges/s, {report['events']} events, "
              f"{report['bytes'] >> 20} MB, {report['dials']} connections, {watch.reloads} reloads, "
              f"{metrics.total('sluice_retries_total'):.0f} retries, gateway {gateway.cpu_s():.0f} s of processor")
        if arguments.verbose:
            print(json.dumps(report["kinds"], indent=1), gateway.admin("/metrics")[1], sep="\n")
    except (AssertionError, OSError, ValueError) as error:  # of a gateway that is gone, too
        found.expect(False, str(error))
    finally:
        judge_processes(found, gateway, every)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--least", type=int, help="exchanges that must have been made (default: a million in ten minutes)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--reload", type=float, default=0, help="seconds between two SIGHUPs; 0: none")
    parser.add_argument("--scale", type=int, default=1, help="times 152 requests under way")
    parser.add_argument("--verbose", action="store_true", help="print all counters")
    arguments = parser.parse_args()
    if arguments.least is None:
        arguments.least = arguments.seconds * 1_000_000 // 600 // SLOWER
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-soak-"))
    try:
        found = soak(arguments, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{len(found)} findings")
    return 1 if found else 0


sys.exit(main())

"""Endpoints that die, freeze and come back while a fleet is under load: who could be answered elsewhere is.

The load is tests/bench/trace_load's: streams asked for at their time, whether others were answered or not. An answer that
ends before its content begins was `refused`, and another endpoint could have given it; one that ends later `broke`, and
nobody could help. tests/bench/fleet_faults.py is the same at length, with figures.
"""
import json
import os
import signal
import subprocess
import unittest

from lib import config
from lib.harness import BUILD, ROOT, SANITIZERS, SLOWER
from lib.scenario import Scenario
from lib.wait import until

ENGINES = 4
SCALE = 0.02 * SLOWER  # real seconds a simulated one
REQUESTS = 200  # of the workload `shared`, 5 a simulated second: 40 of them
MIDDLE = REQUESTS // 4  # so many are asked before something happens


class Faults(Scenario):
    def setUp(self):
        super().setUp()
        self.engines = [self.replica() for _ in range(ENGINES)]
        pool = config.pool("main", [engine.url for engine in self.engines],
                           health={"active": True, "interval": "100ms", "timeout": f"{100 * SLOWER}ms", "eject_for": "500ms"},
                           timeouts={"connect": "1s", "first_token": f"{SLOWER}s", "idle": f"{SLOWER}s"})
        self.fleet = self.gateway(config.gateway(pool, models=[config.model("sim", "main")], tokens={"key_block": 512}))

    def replica(self, port=None):
        return self.engine("--block-size", 512, "--blocks", 600, port=port, time_scale=SCALE)

    def load(self):
        """Begins to ask; whoever calls it reads the end with `report`."""
        command = [BUILD / "tests" / "trace_load", self.fleet.port, "shared", 0.5, "whole", 1, SCALE, REQUESTS]
        load = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, **SANITIZERS})
        self.addCleanup(load.kill)
        return load

    def wait_asked(self, count):
        until(f"{count} were asked", lambda: self.fleet.metrics().total("sluice_exchanges_started_total") >= count, 60 * SLOWER)

    def report(self, load):
        out, words = load.communicate(timeout=60 * SLOWER)
        self.assertTrue(out.startswith("{"), words)
        report = json.loads(out)
        self.assertEqual((report["asked"], report["refused"]), (REQUESTS, 0), words)
        return report

    def test_a_killed_endpoint_breaks_only_what_it_had_begun(self):
        load, victim = self.load(), self.engines[1]
        self.wait_asked(MIDDLE)
        until("it has work", lambda: victim.stats()["running"] > 0, 10 * SLOWER)
        victim.ended_well = False
        victim.process.kill()
        victim.wait()
        report = self.report(load)
        self.assertLess(report["broken"], REQUESTS // 4)
        again = self.replica(port=victim.port)
        until("all are asked again", lambda: self.fleet.metrics().total("sluice_endpoint_ready") == ENGINES, 20 * SLOWER)
        for other in self.engines[:1] + self.engines[2:]:  # while any is there it may be the better one
            other.process.terminate()
            other.wait()
        self.assert_serves(self.fleet)
        self.assertEqual(again.stats()["requests"], 1)

    def test_a_frozen_endpoint_keeps_nobody_who_could_be_answered_elsewhere(self):
        load, victim = self.load(), self.engines[2]
        self.wait_asked(MIDDLE)
        victim.signal(signal.SIGSTOP)
        try:
            self.report(load)
        finally:
            victim.signal(signal.SIGCONT)

    def test_an_endpoint_that_ends_and_comes_back_refuses_nobody(self):
        load, victim = self.load(), self.engines[3]
        self.wait_asked(MIDDLE)
        victim.process.terminate()
        victim.wait()
        self.replica(port=victim.port)
        self.report(load)

    def test_a_slow_endpoint_fails_nobody_and_gets_less(self):
        load, victim = self.load(), self.engines[0]
        self.wait_asked(MIDDLE)
        victim.fault("slow=20")  # more than what neighbours on the machine do to the others
        before = [engine.stats()["requests"] for engine in self.engines]
        self.assertEqual(self.report(load)["broken"], 0)
        since = [engine.stats()["requests"] - earlier for engine, earlier in zip(self.engines, before)]
        self.assertLess(since[0], sum(since[1:]) / (ENGINES - 1), since)


if __name__ == "__main__":
    unittest.main()

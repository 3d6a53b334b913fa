"""The base of all scenarios: what was started is ended, and an idle gateway must have accounted for everything."""
import pathlib
import shutil
import tempfile
import unittest

from lib import config
from lib.h2raw import H2Client
from lib.harness import SANITIZED, SLOWER, Engine, Foreign, Gateway
from lib.rawclient import RawClient, chat
from lib.recorder import Recorder


class Scenario(unittest.TestCase):
    """Ends what a test started, last first; then everything an exchange leaves behind is asserted."""

    maxDiff = 4000

    def setUp(self):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="sluice-test-"))
        self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)
        self.gateways, self.others, self.recorders, self.clients = [], [], [], []
        self.addCleanup(self._end)

    # What a test starts.

    def gateway(self, configuration, **more):
        """The first one's folder is the test's; another's is its own: with one file for two, the first
        would reload what the second was given, and take half of its connections."""
        scratch = self.scratch
        if self.gateways:
            scratch = self.scratch / f"gateway-{len(self.gateways)}"
            scratch.mkdir()
        gateway = Gateway(configuration, scratch=scratch, **more)
        self.gateways.append(gateway)
        return gateway

    def engine(self, *args, **more):
        engine = Engine(*args, **more)
        self.others.append(engine)
        return engine

    def foreign(self, *args):
        foreign = Foreign(*args)
        self.others.append(foreign)
        return foreign

    def recorder(self, script=None, **more):
        recorder = Recorder(script, **more)
        self.recorders.append(recorder)
        return recorder

    def client(self, gateway_or_port, **more):
        client = RawClient(getattr(gateway_or_port, "port", gateway_or_port), **more)
        self.clients.append(client)
        return client

    def h2(self, gateway_or_port, **more):
        client = H2Client(getattr(gateway_or_port, "port", gateway_or_port), **more)
        self.clients.append(client)
        return client

    def in_front_of(self, *endpoints, listener=None, pool=None, **top):
        """A gateway with one pool of these endpoints (recorders, engines, URLs)."""
        urls = [getattr(endpoint, "url", endpoint) for endpoint in endpoints]
        more = {"env": top.pop("env")} if "env" in top else {}
        return self.gateway(config.gateway(config.pool("main", urls, **(pool or {})),
                                           listeners=[config.listener(**(listener or {}))], **top), **more)

    # What tests ask again and again.

    def assert_serves(self, gateway, model="sim"):
        """A plain request on a connection of its own is answered with 200."""
        client = self.client(gateway)
        client.send(chat(model))
        answer = client.read_answer()
        self.assertIsNotNone(answer, "the gateway closed instead of answering")
        self.assertEqual(answer.status, 200, answer)
        client.close()
        return answer

    def assert_openai_error(self, answer, status, code=None, param=None):
        """All four members are there, and no more is said than the status allows."""
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.get("content-type"), "application/json", answer)
        error = answer.json()["error"]
        self.assertEqual(set(error), {"message", "type", "param", "code"}, error)
        self.assertIsInstance(error["message"], str)
        self.assertIsInstance(error["type"], str)
        if code is not None:
            self.assertEqual(error["code"], code, error)
        if param is not None:
            self.assertEqual(error["param"], param, error)

    def assert_grown_by(self, gateway, before_kb, limit_kb, peak=False):
        """Resident memory; a sanitizer's shadow and quarantine hide the figure, so it is judged without one."""
        grown = (gateway.peak_kb() if peak else gateway.rss_kb()) - before_kb
        if not SANITIZED:
            self.assertLess(grown, limit_kb, "KB of memory")

    # The end.

    def _end(self):
        problems = []
        for client in self.clients:
            client.close()
        for recorder in self.recorders:
            recorder.close()
        for gateway in self.gateways:
            if gateway.admin_port and gateway.running() and self.settles:
                try:
                    gateway.wait_settled()
                except (AssertionError, OSError) as error:
                    problems.append(str(error))
        for process in reversed(self.gateways + self.others):
            process.stop()
            problems += process.problems()
        for recorder in self.recorders:
            problems += [f"a recorder's script failed: {error!r}" for error in recorder.errors
                         if not isinstance(error, OSError)]
        if problems:
            self.fail("\n".join(problems))

    settles = True  # a test that leaves exchanges open on purpose says False

    @staticmethod
    def slower(seconds):
        """A measured time bound, widened under sanitizers."""
        return seconds * SLOWER

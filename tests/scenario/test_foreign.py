"""A foreign engine: uvicorn, the server vLLM and SGLang stand on, with a small application."""
import time
import unittest

from lib.harness import now
from lib.rawclient import chat
from lib.scenario import Scenario
from lib.wait import until

IDLE_CLOSE_S = 5.0  # uvicorn's


class Uvicorn(Scenario):
    def ask(self, client, **more):
        client.send(chat(**more))
        return client.read_answer()

    def test_streams_and_whole_answers_pass(self):
        gateway = self.in_front_of(self.foreign())
        client = self.client(gateway)
        self.assertEqual(self.ask(client).status, 200)
        got = self.ask(client, stream=True)
        self.assertEqual(got.status, 200)
        self.assertTrue(got.body.endswith(b"data: [DONE]\n\n"), got)

    def test_probes_find_it_healthy(self):
        gateway = self.in_front_of(self.foreign(), pool={"health": {"active": True, "interval": "100ms"}})
        until("a probe succeeded", lambda: gateway.metrics().total("sluice_probes_total", outcome="ok") > 2)
        self.assertEqual(gateway.metrics().total("sluice_endpoint_ready"), 1)

    def test_idle_connections_are_closed_before_uvicorn_closes_them(self):
        """So that none is picked up in the moment it dies."""
        gateway = self.in_front_of(self.foreign())
        self.assert_serves(gateway)
        self.assertEqual(gateway.metrics().total("sluice_endpoint_connections"), 1)
        start = now()
        until("the idle connection is closed", lambda: gateway.metrics().total("sluice_endpoint_connections") == 0, IDLE_CLOSE_S + 1)
        self.assertLess(now() - start, IDLE_CLOSE_S - 0.2)

    def test_requests_around_the_idle_close_all_succeed(self):
        """The gateway is told to keep connections longer than uvicorn does: reuse fails and is repaired."""
        gateway = self.in_front_of(self.foreign(), pool={"keep_alive": "60s", "retry": {"attempts": 1}})
        clients = [self.client(gateway) for _ in range(4)]
        for pause_s in (0, IDLE_CLOSE_S - 0.02, IDLE_CLOSE_S, IDLE_CLOSE_S + 0.02):
            time.sleep(pause_s)  # uvicorn's own clock is what is met here
            for client in clients:
                self.assertEqual(self.ask(client).status, 200, f"after {pause_s} s")

    def test_a_cancelled_stream_reaches_the_application(self):
        foreign = self.foreign()
        gateway = self.in_front_of(foreign)
        client = self.client(gateway)
        client.send(chat(stream=True, max_tokens=100000))
        client.read_head()
        until("the first event", lambda: b"data:" in client.rest or not client.fill())
        client.close()
        until("it is settled", lambda: not gateway.unsettled(), self.slower(3))
        self.assertEqual(gateway.metrics().total("sluice_endpoint_aborts_total"), 1)

    def test_no_upgrade_and_no_preface_ever_reaches_it(self):
        """uvicorn answers an h2 preface with nonsense and refuses Upgrade: h2c with 400."""
        gateway = self.in_front_of(self.foreign())
        client = self.client(gateway)
        client.send(chat(fields=b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"))
        self.assertEqual(client.read_answer().status, 200)


if __name__ == "__main__":
    unittest.main()

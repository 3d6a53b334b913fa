"""SIGTERM: no new work, what is under way is finished, everybody is told, the exit status is 0."""
import signal
import threading
import unittest

from lib import h2raw
from lib.harness import now
from lib.rawclient import chat, chat_body
from lib.recorder import DONE_EVENT, LAST_CHUNK, ROLE_EVENT, SSE_HEAD, STOP_EVENT, answer, chunk, event, silent
from lib.scenario import Scenario
from lib.wait import Deadline, can_connect, until


class Drain(Scenario):
    settles = False  # the gateway is gone when a test ends

    def setUp(self):
        super().setUp()
        self.go_on = threading.Event()
        self.addCleanup(self.go_on.set)

    def streaming(self, connection):
        while connection.read_request():
            connection.send(SSE_HEAD + chunk(ROLE_EVENT + event("before")))
            self.go_on.wait(20)
            connection.send(chunk(event("after") + STOP_EVENT + DONE_EVENT) + LAST_CHUNK)

    def assert_ended(self, gateway, seconds):
        start = now()
        self.assertEqual(gateway.wait(self.slower(seconds)), 0, gateway.log())
        return now() - start

    def test_an_idle_gateway_ends_at_once(self):
        gateway = self.in_front_of(self.recorder(), drain_timeout="10s")
        self.assert_serves(gateway)
        gateway.signal(signal.SIGTERM)
        self.assertLess(self.assert_ended(gateway, 3), self.slower(2))

    def test_idle_connections_do_not_hold_it_up(self):
        gateway = self.in_front_of(self.recorder(), drain_timeout="10s")
        client, link = self.client(gateway), self.h2(gateway)
        client.send(chat())
        self.assertEqual(client.read_answer().status, 200)
        self.assertEqual(link.ask(1, chat_body()).status, 200)
        gateway.signal(signal.SIGTERM)
        self.assertLess(self.assert_ended(gateway, 4), self.slower(3))
        self.assertTrue(client.is_closed_within(1))
        link.wait_end(1)
        self.assertEqual(link.goaway, h2raw.NO_ERROR)

    def test_streams_under_way_are_finished(self):
        gateway = self.in_front_of(self.recorder(self.streaming), drain_timeout="10s", workers=2)
        client, link = self.client(gateway), self.h2(gateway)
        client.send(chat(stream=True))
        link.send(h2raw.request(1, chat_body(stream=True)))
        client.read_head()
        link.read_until(lambda l: b"before" in l.stream(1).body)
        gateway.signal(signal.SIGTERM)
        until("nobody new is let in", lambda: not can_connect(gateway.port), self.slower(3))
        link.read_until(lambda l: l.goaway is not None, self.slower(3))
        self.assertEqual(link.goaway, h2raw.NO_ERROR)
        self.assertTrue(gateway.running())
        self.go_on.set()
        body = b""
        while piece := client.read_chunk():
            body += piece
        self.assertTrue(body.endswith(DONE_EVENT), body)
        self.assertTrue(link.wait(1).body.endswith(DONE_EVENT))
        self.assert_ended(gateway, 5)

    def test_what_clients_have_not_read_yet_is_waited_for(self):
        """All of the answer has been sent; but whoever ends now resets it with the client's next window update."""
        content = b"x" * 1_000_000
        recorder = self.recorder(lambda connection: connection.read_request() and connection.send(answer(content)))
        gateway = self.in_front_of(recorder, drain_timeout="20s")
        link = self.h2(gateway, with_settings=[(h2raw.INITIAL_WINDOW_SIZE, 16 << 20)])
        link.send(h2raw.window_update(0, 16 << 20) + h2raw.request(1, chat_body()))
        link.read_until(lambda l: l.stream(1).body)
        gateway.signal(signal.SIGTERM)
        self.assertRaises(Deadline, until, "the gateway ends", lambda: not gateway.running(), 0.5)
        link.send(h2raw.window_update(0, 1))
        self.assertEqual(len(link.wait(1, self.slower(10)).body), len(content))
        link.close()
        self.assert_ended(gateway, 5)

    def test_answers_during_the_drain_say_connection_close(self):
        def script(connection):
            connection.read_request()
            self.go_on.wait(20)
            connection.send(answer())
            connection.wait_end()
        recorder = self.recorder(script)
        gateway = self.in_front_of(recorder, drain_timeout="10s")
        client = self.client(gateway)
        client.send(chat())
        recorder.wait_requests(1)
        gateway.signal(signal.SIGTERM)
        until("the drain has begun", lambda: not can_connect(gateway.port), self.slower(3))
        self.go_on.set()
        got = client.read_answer()
        self.assertEqual(got.status, 200)
        self.assertEqual(got.get("connection"), "close")
        self.assertTrue(client.is_closed_within(3))
        self.assert_ended(gateway, 5)

    def test_streams_opened_after_goaway_are_refused(self):
        gateway = self.in_front_of(self.recorder(self.streaming), drain_timeout="10s")
        link = self.h2(gateway)
        link.send(h2raw.request(1, chat_body(stream=True)))
        link.read_until(lambda l: b"before" in l.stream(1).body)
        gateway.signal(signal.SIGTERM)
        link.read_until(lambda l: l.goaway is not None, self.slower(3))
        link.ping()
        link.send(h2raw.request(3, chat_body()))
        link.send(h2raw.frame(h2raw.PING, 0, 0, b"87654321"))
        link.read_until(lambda l: l.stream(3).over or any(f.kind == h2raw.PING and f.payload == b"87654321" for f in l.frames), self.slower(3))
        self.assertIn(link.stream(3).status, (None, 503))
        self.go_on.set()
        self.assertTrue(link.wait(1).body.endswith(DONE_EVENT))
        self.assert_ended(gateway, 5)

    def test_the_drain_ends_at_its_deadline_and_the_engines_work_is_stopped(self):
        recorder = self.recorder(silent)
        gateway = self.in_front_of(recorder, drain_timeout="500ms")
        client = self.client(gateway)
        client.send(chat())
        recorder.wait_connection()
        until("the request arrived", lambda: recorder.connections[0].received)
        gateway.signal(signal.SIGTERM)
        took = self.assert_ended(gateway, 4)
        self.assertGreater(took, 0.3)
        self.assertLess(took, self.slower(2))
        until("the engine's work was stopped", lambda: recorder.connections[0].closed_at, self.slower(5))
        self.assertTrue(client.is_closed_within(2))

    def test_readyz_says_no_while_draining(self):
        gateway = self.in_front_of(self.recorder(silent), drain_timeout="3s")
        client = self.client(gateway)
        client.send(chat())
        until("it is under way", lambda: gateway.metrics().total("sluice_exchanges_active") == 1)
        gateway.signal(signal.SIGTERM)
        until("/readyz says no", lambda: gateway.admin_status("/readyz") in (0, 503), self.slower(2))
        client.close()
        self.assert_ended(gateway, 6)

    def test_a_second_signal_ends_it_now(self):
        gateway = self.in_front_of(self.recorder(silent), drain_timeout="30s")
        client = self.client(gateway)
        client.send(chat())
        until("it is under way", lambda: gateway.metrics().total("sluice_exchanges_active") == 1)
        gateway.signal(signal.SIGTERM)
        until("the drain has begun", lambda: not can_connect(gateway.port), self.slower(3))
        gateway.signal(signal.SIGTERM)
        self.assert_ended(gateway, 3)

    def test_sigint_is_as_good(self):
        gateway = self.in_front_of(self.recorder())
        gateway.signal(signal.SIGINT)
        self.assert_ended(gateway, 3)

    def test_the_last_access_lines_are_written(self):
        gateway = self.in_front_of(self.recorder())
        for _ in range(50):
            self.assert_serves(gateway)
        gateway.signal(signal.SIGTERM)
        self.assert_ended(gateway, 3)
        self.assertEqual(len(gateway.access_lines()), 50)


if __name__ == "__main__":
    unittest.main()

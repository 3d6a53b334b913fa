"""Faults of endpoints: another one is tried until content has been passed on, then the client is told the truth."""
import json
import re
import socket
import threading
import time
import unittest

from lib import config, h2raw
from lib.harness import now
from lib.rawclient import chat, chat_body, post
from lib.recorder import (DONE_EVENT, LAST_CHUNK, ROLE_EVENT, SSE_HEAD, STOP_EVENT, always, answer, chunk, event, once, silent)
from lib.scenario import Scenario
from lib.wait import free_port, holds, until

GOOD = once(SSE_HEAD, chunk(ROLE_EVENT + event("good") + STOP_EVENT + DONE_EVENT), LAST_CHUNK, close=False)
ERROR_EVENT = b'data: {"error":{"message":"out of memory","type":"InternalServerError","param":null,"code":500}}\n\n'


def abort(*pieces):
    """A script: reads a request, sends the pieces, resets the connection."""
    def script(connection):
        if connection.read_request():
            for piece in pieces:
                connection.send(piece)
            connection.abort()
    return script


class Retries(Scenario):
    # What an endpoint does before any content was passed on; each is healed by another endpoint.
    HEALED = {
        "reset before the head": abort(),
        "close before the head": once(close=True),
        "half a head": once(b"HTTP/1.1 200 OK\r\ncontent-"),
        "malformed head": once(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", close=False),
        "503": once(answer(b"{}", b"503 Service Unavailable"), close=False),
        "503 with Retry-After": once(answer(b"{}", b"503 Service Unavailable", b"retry-after: 1\r\n"), close=False),
        "500": once(answer(b"{}", b"500 Internal Server Error"), close=False),
        "502": once(answer(b"{}", b"502 Bad Gateway"), close=False),
        "head, then reset": abort(SSE_HEAD),
        "role event, then reset": abort(SSE_HEAD + chunk(ROLE_EVENT)),
        "comments, then reset": abort(SSE_HEAD + chunk(b": keep-alive\n\n" * 3)),
        "error event first": once(SSE_HEAD + chunk(ERROR_EVENT + DONE_EVENT) + LAST_CHUNK, close=False),
        "role event, then error event": once(SSE_HEAD + chunk(ROLE_EVENT + ERROR_EVENT + DONE_EVENT) + LAST_CHUNK, close=False),
        "an empty stream": once(SSE_HEAD + LAST_CHUNK, close=False),
        "half an event, then reset": abort(SSE_HEAD + chunk(ROLE_EVENT + event("lost")[:30])),
        "a malformed chunk": once(SSE_HEAD + chunk(ROLE_EVENT) + b"zz\r\n", close=False),
    }

    def test_another_endpoint_heals_what_happens_before_content(self):
        for what, script in self.HEALED.items():
            with self.subTest(what=what):
                bad, good = self.recorder(script), self.recorder(GOOD)
                gateway = self.in_front_of(bad, good, pool={"route": "round_robin", "retry": {"attempts": 2, "budget": 100}})
                for _ in range(2):  # round robin: one of the two meets the bad one first
                    client = self.client(gateway)
                    client.send(chat(stream=True))
                    got = client.read_answer()
                    self.assertEqual((got.status, got.complete), (200, True), got)
                    self.assertEqual(got.body, ROLE_EVENT + event("good") + STOP_EVENT + DONE_EVENT)
                self.assertGreater(len(bad.requests), 0)
                self.assertEqual(gateway.metrics().total("sluice_retries_total"), len(bad.requests))
                gateway.wait_settled()
                gateway.stop()

    def test_a_target_at_its_limit_is_written_for_every_endpoint(self):
        """Each has a path prefix of its own, so that each try needs the target once more."""
        failing = [self.recorder(always(answer(b"{}", b"503 Service Unavailable"))) for _ in range(8)]
        gateway = self.in_front_of(*[f"{one.url}/p{i}" for i, one in enumerate(failing)], listener={"limits": {"target": "1MB"}},
                                   pool={"retry": {"attempts": 8, "budget": 100}, "health": {"active": False, "eject_after": 0}})
        target = b"/v1/chat/completions?" + b"q" * 990_000
        client = self.client(gateway)
        client.send(post(chat_body(), path=target))
        self.assertEqual(client.read_answer().status, 503)
        self.assertEqual([one.requests[0].target for one in failing], [f"/p{i}{target.decode()}" for i in range(8)])

    def test_client_errors_are_answers_and_not_retried(self):
        for status in (b"400 Bad Request", b"404 Not Found", b"422 Unprocessable"):
            with self.subTest(status=status):
                error = b'{"error":{"message":"no","type":"BadRequestError","param":null,"code":400}}'
                bad, other = [self.recorder(always(answer(error, status))) for _ in range(2)]
                gateway = self.in_front_of(bad, other)
                client = self.client(gateway)
                client.send(chat())
                got = client.read_answer()
                self.assertEqual((got.status, got.body), (int(status[:3]), error))
                self.assertEqual(len(bad.requests) + len(other.requests), 1)
                gateway.stop()

    def test_the_last_answer_is_shown_when_nobody_does_better(self):
        recorders = [self.recorder(always(answer(b'{"error":{"message":"busy"}}', b"503 Service Unavailable", b"retry-after: 7\r\ncontent-type: application/json\r\n")))
                     for _ in range(2)]
        gateway = self.in_front_of(*recorders)
        client = self.client(gateway)
        client.send(chat())
        got = client.read_answer()
        self.assertEqual(got.status, 503)
        self.assertEqual(got.get("retry-after"), "7")
        self.assertIn(b"busy", got.body)

    def test_an_endpoint_that_cannot_be_reached_is_left_for_another(self):
        gateway = self.in_front_of(f"http://127.0.0.1:{free_port()}", self.recorder(), pool={"route": "round_robin"})
        for _ in range(4):
            self.assert_serves(gateway)

    def test_nobody_at_all_is_a_502(self):
        gateway = self.in_front_of(f"http://127.0.0.1:{free_port()}")
        client = self.client(gateway)
        client.send(chat())
        self.assert_openai_error(client.read_answer(), 502)

    def test_a_retry_sends_the_same_body(self):
        bodies = []

        def failing(connection):
            bodies.append(connection.read_request().body)
            connection.abort()
        good = self.recorder()
        gateway = self.in_front_of(self.recorder(failing), good, pool={"route": "round_robin"})
        text = chat_body(text="x" * 500000)
        for _ in range(2):
            client = self.client(gateway)
            client.send(chat(text="x" * 500000))
            self.assertEqual(client.read_answer().status, 200)
        self.assertEqual(set(bodies), {text})
        self.assertEqual([r.body for r in good.requests], [text, text])

    def test_an_unread_body_is_replayed_from_what_was_kept(self):
        good = self.recorder()
        gateway = self.in_front_of(self.recorder(abort()), good, pool={"route": "round_robin"}, models=[config.model("*", "main", inspect=False)])
        for _ in range(2):
            client = self.client(gateway)
            client.send(chat(text="x" * 50000))
            self.assertEqual(client.read_answer().status, 200)
        self.assertEqual({r.body for r in good.requests}, {chat_body(text="x" * 50000)})

    def test_a_reused_connection_that_dies_is_replaced_by_a_fresh_one(self):
        """Once, on the same endpoint, although attempts are bounded to one."""
        def script(connection):
            connection.read_request()
            connection.send(answer())
            connection.fill()
            connection.abort()
        recorder = self.recorder(script)
        gateway = self.in_front_of(recorder, pool={"retry": {"attempts": 1}})
        self.assert_serves(gateway)
        self.assert_serves(gateway)
        self.assertEqual(len(recorder.connections), 2)


class AfterContent(Scenario):
    # What an endpoint does when the client has seen the first content.
    SPOILED = {
        "reset": lambda connection: connection.abort(),
        "close without a last chunk": lambda connection: None,
        "last chunk without finish_reason": lambda connection: connection.send(LAST_CHUNK),
        "a malformed chunk": lambda connection: connection.send(b"zz\r\n"),
    }

    def both(self, spoil):
        """What clients get over HTTP/1.1 and HTTP/2, whether it ended properly, and that nothing was tried twice."""
        for version in ("h1", "h2"):
            seen = threading.Event()

            def script(connection, seen=seen):
                connection.read_request()
                connection.send(SSE_HEAD + chunk(ROLE_EVENT + event("some")))
                seen.wait(5)
                spoil(connection)
            recorders = [self.recorder(script), self.recorder(script)]
            gateway = self.in_front_of(*recorders)
            yield version, *getattr(self, version + "_client")(gateway, seen)
            self.assertEqual(sum(len(r.requests) for r in recorders), 1)
            gateway.wait_settled()
            gateway.stop()

    def h1_client(self, gateway, seen):
        client = self.client(gateway)
        client.send(chat(stream=True))
        client.read_head()
        body = b""
        while piece := client.read_chunk():
            body += piece
            if event("some") in body:
                seen.set()
        return body, piece == b""

    def h2_client(self, gateway, seen):
        link = self.h2(gateway)
        link.send(h2raw.request(1, chat_body(stream=True)))
        link.read_until(lambda l: event("some") in l.stream(1).body)
        seen.set()
        stream = link.wait(1)
        return stream.body, stream.ended and stream.reset is None

    def assert_told(self, body):
        last = body[body.index(event("some")) + len(event("some")):]
        self.assertTrue(last.startswith(b"data: {") and last.endswith(b"\n\n"), last)
        self.assertEqual(set(json.loads(last[6:])["error"]), {"message", "type", "param", "code"})

    def test_the_client_is_told_inside_the_stream_and_no_done_is_invented(self):
        for what, spoil in self.SPOILED.items():
            for version, body, ended in self.both(spoil):
                with self.subTest(what=what, version=version):
                    self.assert_told(body)
                    self.assertTrue(ended)
                    self.assertNotIn(b"[DONE]", body)

    def test_a_stream_cut_inside_an_event_is_cut_for_the_client(self):
        for version, body, ended in self.both(lambda connection: connection.send(chunk(event("more")[:40]))):
            with self.subTest(version=version):
                self.assertNotIn(b"[DONE]", body)
                self.assertTrue(b'"error"' in body or not ended, "half an event looks like a proper end")

    def test_an_engines_own_error_passes_verbatim(self):
        for version, body, ended in self.both(lambda connection: connection.send(chunk(ERROR_EVENT + DONE_EVENT) + LAST_CHUNK)):
            with self.subTest(version=version):
                self.assertEqual(body, ROLE_EVENT + event("some") + ERROR_EVENT + DONE_EVENT)
                self.assertTrue(ended)

    def test_a_reset_right_behind_the_bytes_is_noticed(self):
        """Both are there when the gateway looks; only one edge tells of them."""
        recorder = self.recorder(abort(SSE_HEAD + chunk(ROLE_EVENT + event("some"))))
        gateway = self.in_front_of(recorder)
        for _ in range(40):
            client = self.client(gateway, timeout=self.slower(3))
            client.send(chat(stream=True))
            got = client.read_answer()
            self.assertTrue(got.status == 502 or b'"error"' in got.body or not got.complete, got)
            client.close()


class Deadlines(Scenario):
    def failing(self, script, status, reason, stream=True, **timeouts):
        recorder = self.recorder(script)
        gateway = self.in_front_of(recorder, pool={"timeouts": timeouts, "retry": {"attempts": 1}})
        client = self.client(gateway)
        start = now()
        client.send(chat(stream=stream))
        got = client.read_answer()
        took = now() - start
        self.assertEqual(got.status, status, got)
        self.assertLess(took, 1 + self.slower(1))
        gateway.wait_finished(reason)
        if recorder.connections:
            until("the engine's work was stopped", lambda: recorder.connections[0].closed_at, self.slower(5))
        return got

    def test_connect(self):
        full = socket.create_server(("127.0.0.1", 0), backlog=0)  # nobody accepts: the backlog is soon full
        self.addCleanup(full.close)
        port = full.getsockname()[1]
        stuck = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
            stuck.append(sock)
            self.addCleanup(sock.close)
        gateway = self.in_front_of(f"http://127.0.0.1:{port}", pool={"timeouts": {"connect": "300ms"}, "retry": {"attempts": 1}})
        client = self.client(gateway)
        start = now()
        client.send(chat())
        self.assert_openai_error(client.read_answer(), 504)
        self.assertLess(now() - start, 0.3 + self.slower(1))

    def test_first_token(self):
        self.failing(silent, 504, "first_token_timeout", first_token="500ms")

    def test_first_token_with_a_role_event_only(self):
        def script(connection):
            connection.read_request()
            connection.send(SSE_HEAD + chunk(ROLE_EVENT))
            while connection.send(chunk(b": keep-alive\n\n")):
                time.sleep(0.1)  # the endpoint's own pace
        self.failing(script, 504, "first_token_timeout", first_token="500ms")

    def test_idle_counts_content_only(self):
        def script(connection):
            connection.read_request()
            connection.send(SSE_HEAD + chunk(ROLE_EVENT + event("some")))
            while connection.send(chunk(b": keep-alive\n\n")):
                time.sleep(0.1)  # the endpoint's own pace
        got = self.failing(script, 200, "idle_timeout", idle="500ms")
        self.assertIn(b'"error"', got.body)
        self.assertNotIn(b"[DONE]", got.body)

    def test_a_steady_stream_outlives_the_idle_deadline(self):
        def script(connection):
            connection.read_request()
            connection.send(SSE_HEAD + chunk(ROLE_EVENT))
            for _ in range(12):
                connection.send(chunk(event("a")))
                time.sleep(0.1)  # the endpoint's own pace
            connection.send(chunk(STOP_EVENT + DONE_EVENT) + LAST_CHUNK)
            connection.wait_end()
        gateway = self.in_front_of(self.recorder(script), pool={"timeouts": {"idle": "700ms", "first_token": "700ms"}})
        client = self.client(gateway)
        client.send(chat(stream=True))
        got = client.read_answer()
        self.assertTrue(got.complete)
        self.assertTrue(got.body.endswith(DONE_EVENT))

    def test_total(self):
        self.failing(silent, 504, "total_timeout", stream=False, total="500ms")

    def test_queue(self):
        """concurrency 1: the second request waits, and is told so when its time is up."""
        recorder = self.recorder(lambda c: (c.read_request(), c.wait_end()))
        gateway = self.in_front_of(recorder, pool={"concurrency": 1, "timeouts": {"queue": "500ms"}})
        first, second = self.client(gateway), self.client(gateway)
        first.send(chat())
        recorder.wait_requests(1)
        second.send(chat())
        self.assert_openai_error(second.read_answer(), 503)
        self.assertEqual(len(recorder.requests), 1)

    def test_a_waiting_request_goes_on_when_there_is_room(self):
        go_on = threading.Event()

        def script(connection):
            while connection.read_request():
                go_on.wait(10)
                connection.send(answer())
        recorder = self.recorder(script)
        gateway = self.in_front_of(recorder, pool={"concurrency": 1}, workers=2)
        clients = [self.client(gateway) for _ in range(6)]
        for client in clients:
            client.send(chat())
        recorder.wait_requests(1)
        self.assertTrue(holds(lambda: len(recorder.requests) == 1, 0.3))
        go_on.set()
        for client in clients:
            self.assertEqual(client.read_answer().status, 200)


class Health(Scenario):
    def readiness(self, gateway):
        return {labels["endpoint"]: value for labels, value in gateway.metrics().series("sluice_endpoint_ready")}

    def test_probes_take_an_endpoint_out_and_bring_it_back(self):
        healthy = [True]

        def script(connection):
            while request := connection.read_request():
                good = healthy[0] or request.target != "/health"
                connection.send(answer(b"", b"200 OK" if good else b"503 Service Unavailable") if request.target == "/health" else answer())
        sick, well = self.recorder(script), self.recorder()
        probing = {"active": True, "interval": "50ms", "unhealthy": 2, "healthy": 2}
        gateway = self.in_front_of(sick, well, pool={"health": probing, "route": "round_robin"})
        until("probes arrive", lambda: sick.requests)
        self.assertEqual(sick.requests[0].method, "GET")
        healthy[0] = False
        until("it is out", lambda: sorted(self.readiness(gateway).values()) == [0, 1], self.slower(5))
        before = sum(r.method == "POST" for r in sick.requests)
        for _ in range(6):
            self.assert_serves(gateway)
        self.assertEqual(sum(r.method == "POST" for r in sick.requests), before)
        healthy[0] = True
        until("it is back", lambda: sorted(self.readiness(gateway).values()) == [1, 1], self.slower(5))
        for _ in range(30):
            self.assert_serves(gateway)
        self.assertGreater(sum(r.method == "POST" for r in sick.requests), before)

    def test_probes_carry_the_pools_key_and_host(self):
        (self.scratch / "engine.key").write_text("sk-pool\n")
        recorder = self.recorder()
        gateway = self.in_front_of(recorder, pool={"health": {"active": True, "interval": "50ms"}, "key_file": "engine.key"})
        request = recorder.wait_requests(1)[0]
        self.assertEqual(request.get("authorization"), "Bearer sk-pool")
        self.assertEqual(request.get("host"), f"127.0.0.1:{recorder.port}")
        self.assertEqual(gateway.admin_status("/readyz"), 200)

    def test_failures_in_a_row_eject_an_endpoint_for_a_while(self):
        bad, good = self.recorder(abort()), self.recorder()
        gateway = self.in_front_of(bad, good, pool={"route": "round_robin", "health": {"active": False, "eject_after": 3, "eject_for": "1s", "slow_return": 0},
                                                    "retry": {"attempts": 2, "budget": 100}})
        for _ in range(20):
            self.assert_serves(gateway)
        self.assertEqual(gateway.metrics().total("sluice_endpoint_ejections_total"), 1)
        seen = len(bad.requests)
        self.assertEqual(seen, 3)
        bad.script = always(answer())
        until("it is back", lambda: self.assert_serves(gateway) and len(bad.requests) > seen, self.slower(5))

    def test_a_pool_in_panic_ignores_health(self):
        recorders = [self.recorder(abort()) for _ in range(4)]
        gateway = self.in_front_of(*recorders, pool={"health": {"active": False, "eject_after": 1, "eject_for": "60s", "panic": 50},
                                                     "retry": {"attempts": 1}})
        for _ in range(12):
            client = self.client(gateway)
            client.send(chat())
            self.assertEqual(client.read_answer().status, 502)
        self.assertEqual(gateway.metrics().total("sluice_pool_panic"), 1)
        for recorder in recorders:
            recorder.script = always(answer())
        self.assert_serves(gateway)

    def test_the_log_says_what_was_asked_and_when_a_pool_panics(self):
        missing = [True]

        def script(connection):
            while request := connection.read_request():
                lost = missing[0] and request.target == "/v1/health"
                connection.send(answer(b"", b"404 Not Found") if lost else answer())
        recorder = self.recorder(script)
        gateway = self.in_front_of(recorder.url + "/v1", pool={"health": {"active": True, "interval": "50ms", "unhealthy": 2, "healthy": 2}})
        until("it is out", lambda: list(self.readiness(gateway).values()) == [0], self.slower(5))
        until("it is said", lambda: re.search(r"health check: GET /v1/health: 404, .*panic", gateway.log()), self.slower(5))
        for _ in range(3):
            self.assert_serves(gateway)
        missing[0] = False
        until("it is back", lambda: list(self.readiness(gateway).values()) == [1], self.slower(5))
        self.assert_serves(gateway)
        until("the end is said", lambda: "panic is over" in gateway.log(), self.slower(5))
        self.assertEqual(gateway.log().count("pool main: panic"), 2, gateway.log())

    def test_readyz_does_not_wait_for_endpoints(self):
        gateway = self.in_front_of(f"http://127.0.0.1:{free_port()}", pool={"health": {"active": True, "interval": "50ms"}})
        self.assertEqual(gateway.admin_status("/readyz"), 200)


class Choice(Scenario):
    def test_least_requests_spreads_what_is_under_way(self):
        recorders = [self.recorder(lambda c: (c.read_request(), c.wait_end())) for _ in range(3)]
        gateway = self.in_front_of(*recorders, pool={"route": "least_requests"})
        for n in range(9):
            self.client(gateway).send(chat())
            until("it arrived", lambda n=n: sum(len(r.requests) for r in recorders) == n + 1)
        self.assertEqual([len(r.requests) for r in recorders], [3, 3, 3])

    def test_round_robin_takes_turns(self):
        recorders = [self.recorder() for _ in range(3)]
        gateway = self.in_front_of(*recorders, pool={"route": "round_robin"})
        for _ in range(9):
            self.assert_serves(gateway)
        self.assertEqual([len(r.requests) for r in recorders], [3, 3, 3])

    def test_versions_get_their_weights_and_sessions_stay(self):
        recorders = [self.recorder(), self.recorder()]
        pools = [config.pool(name, [recorder.url]) for name, recorder in zip("ab", recorders)]
        gateway = self.gateway(config.gateway(pools, models=[{
            "name": "sim", "sticky": {"header": "x-session-id"},
            "versions": [{"name": "stable", "pool": "a", "weight": 90}, {"name": "next", "pool": "b", "weight": 10}]}]))
        client = self.client(gateway)
        for _ in range(400):
            client.send(chat())
            self.assertEqual(client.read_answer().status, 200)
        self.assertTrue(10 <= len(recorders[1].requests) <= 80, len(recorders[1].requests))
        for session in (b"one", b"two", b"three", b"four", b"five", b"six"):
            before = [len(r.requests) for r in recorders]
            for _ in range(5):
                client.send(chat(fields=b"x-session-id: " + session + b"\r\n"))
                client.read_answer()
            moved = [len(r.requests) - b for r, b in zip(recorders, before)]
            self.assertIn(moved, ([5, 0], [0, 5]))


class Cuts(Scenario):
    """A connection that ends at any byte of an answer: what the client gets never looks whole."""

    JSON = (b'{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},'
            b'"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}')
    ANSWERS = {
        "a length": answer(JSON),
        "chunks": b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n" + chunk(JSON[:60]) +
                  chunk(JSON[60:]) + LAST_CHUNK,
        "a stream": SSE_HEAD + b"".join(chunk(e) for e in (ROLE_EVENT, event("hi"), STOP_EVENT, DONE_EVENT)) + LAST_CHUNK,
    }

    def test_an_answer_cut_anywhere_never_looks_whole(self):
        sent = [b""]

        def script(connection):
            if connection.read_request():
                connection.send(sent[0])
        recorder = self.recorder(script)
        gateway = self.in_front_of(recorder, pool={"health": {"active": False, "eject_after": 0}, "retry": {"attempts": 1}})
        for what, whole in self.ANSWERS.items():
            for size in (*range(0, len(whole), 3), len(whole)):
                sent[0] = whole[:size]
                client = self.client(gateway)
                client.send(chat(stream=what == "a stream"))
                got = client.read_answer()
                looks_whole = got.status == 200 and got.complete and b'"error"' not in got.body
                self.assertEqual(looks_whole, size == len(whole), f"{what}, {size} of {len(whole)} bytes: {got}")
                client.close()


class Engines(Scenario):
    def test_h2c_endpoints_are_spoken_to_by_prior_knowledge(self):
        engine = self.engine("--tokens", "5")
        gateway = self.in_front_of(engine.url.replace("http:", "h2c:"))
        for _ in range(3):
            self.assert_serves(gateway)
        self.assertEqual(gateway.metrics().total("sluice_endpoint_connections"), 1)

    def test_h2c_streams_are_cancelled_without_their_connection(self):
        engine = self.engine("--tokens", "2000", time_scale=1)
        gateway = self.in_front_of(engine.url.replace("http:", "h2c:"))
        link = self.h2(gateway)
        for n in (1, 3):
            link.send(h2raw.request(n, chat_body(stream=True, max_tokens=2000)))
            link.read_until(lambda l, n=n: b"content" in l.stream(n).body)
        link.send(h2raw.rst(1))
        until("the engine aborted it", lambda: engine.stats()["aborts"] == 1, self.slower(2))
        before = len(link.stream(3).body)
        link.read_until(lambda l: len(l.stream(3).body) > before)
        self.assertIsNone(link.stream(3).reset)

    def test_every_fault_of_the_engine_ends_in_an_answer(self):
        """A pool of three, one of them in trouble; clients see whole answers or are told."""
        engines = [self.engine("--tokens", "8", "--seed", str(n)) for n in range(3)]
        gateway = self.in_front_of(*engines, pool={"retry": {"attempts": 3, "budget": 100}, "timeouts": {"first_token": "1s", "idle": "1s", "total": "5s"}})
        kinds = ("reset-head", "close-head", "stall-head", "status=500", "busy", "malformed-head", "reset-events", "reset-inside", "close-events",
                 "stall-events", "error-events", "malformed-chunk", "huge-event", "truncate", "no-done", "split-events", "slow-read", "refuse")
        for kind in kinds:
            with self.subTest(kind=kind):
                engines[0].fault(kind)
                for _ in range(3):
                    client = self.client(gateway, timeout=self.slower(10))
                    client.send(chat(stream=True, max_tokens=8))
                    got = client.read_answer()
                    whole = got.complete and b'"finish_reason":"' in got.body.replace(b" ", b"")
                    told = b'"error"' in got.body or not got.complete
                    self.assertTrue(whole or told, got)


if __name__ == "__main__":
    unittest.main()

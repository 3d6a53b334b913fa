"""Slow and greedy clients (S-01 to S-10). Deadlines and limits are lowered so that each test is quick."""
import json
import resource
import select
import socket
import threading
import time
import unittest

from lib import config, h2raw
from lib.harness import now
from lib.rawclient import HOST, JSON, RawClient, chat, chat_body, post
from lib.recorder import LAST_CHUNK, SSE_HEAD, answer, chunk, event, silent
from lib.scenario import Scenario
from lib.tlsfiles import Authority, client_context
from lib.wait import until

HEAD_S, BODY_S, IDLE_S, STALL_S, HANDSHAKE_S = 1.0, 2.0, 1.0, 1.0, 0.5  # config.strict_listener


class Slow(Scenario):
    def strict(self, *endpoints, pool=None, listener=None, **top):
        return self.gateway(config.gateway(config.pool("main", [e.url for e in endpoints], **(pool or {})),
                                           listeners=[config.strict_listener(**(listener or {}))], **top))

    def ended_after(self, client, seconds):
        start = now()
        self.assertTrue(client.is_closed_within(seconds), "still open")
        return now() - start


class Deadlines(Slow):
    def test_a_head_that_trickles_is_cut_at_an_absolute_deadline(self):
        """S-01: each byte moves nothing."""
        recorder = self.recorder()
        gateway = self.strict(recorder)
        raw = b"GET /v1/models HTTP/1.1\r\nHost: sluice.test\r\nx-a: " + b"b" * 1000
        client = self.client(gateway)
        start = now()
        for at in range(len(raw)):
            if not client.send(raw[at:at + 1]):
                break
            time.sleep(0.05)  # the attack's own pace
            if client.socket in _readable(client.socket):
                break
        self.assertLess(now() - start, HEAD_S + self.slower(1))
        got = client.read_answer()
        self.assertTrue(got is None or got.status == 408, got)
        self.assertTrue(client.is_closed_within(3))

    def test_many_slow_heads_do_not_hinder_the_next_client(self):
        gateway = self.strict(self.recorder())
        slow = [self.client(gateway) for _ in range(500)]
        for client in slow:
            client.send(b"GET /v1/models HTTP/1.1\r\nHost:")
        self.assert_serves(gateway)
        for client in slow:
            self.assertTrue(client.is_closed_within(HEAD_S + self.slower(2)))

    def test_a_slow_head_over_http2_is_cut_too(self):
        gateway = self.strict(self.recorder())
        link = self.h2(gateway)
        link.send(h2raw.headers(1, h2raw.head(), end_headers=False))
        self.assertTrue(link.is_closed_within(HEAD_S + self.slower(2)))

    def test_a_body_that_trickles_never_occupies_the_endpoint(self):
        """S-02"""
        recorder = self.recorder()
        gateway = self.strict(recorder)
        client = self.client(gateway)
        client.send(b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 1000\r\n\r\n{")
        start = now()
        got = None
        while now() - start < BODY_S + self.slower(3):
            client.send(b" ")
            if _readable(client.socket, 0.1):
                got = client.read_answer()
                break
        self.assertIsNotNone(got, "no answer")
        self.assertEqual(got.status, 408, got)
        self.assertTrue(client.is_closed_within(3))
        self.assertEqual(recorder.connections, [], "the endpoint was dialled for a body that never came")

    def test_connections_without_a_byte_and_idle_ones_are_closed(self):
        """S-04"""
        gateway = self.strict(self.recorder())
        self.assertLess(self.ended_after(self.client(gateway), HEAD_S + self.slower(2)), HEAD_S + IDLE_S + self.slower(1))
        client = self.client(gateway)
        client.send(chat())
        self.assertEqual(client.read_answer().status, 200)
        self.assertGreater(self.ended_after(client, IDLE_S + self.slower(2)), IDLE_S * 0.5)
        link = self.h2(gateway)
        self.assertEqual(link.ask(1, chat_body()).status, 200)
        self.assertTrue(link.is_closed_within(IDLE_S + self.slower(2)))
        self.assertEqual(link.goaway, h2raw.NO_ERROR)

    def test_a_tls_handshake_that_stands_still_is_closed(self):
        authority = Authority(self.scratch)
        certificate, key = authority.issue("server")
        gateway = self.strict(self.recorder(), listener={"tls": {"certificate": str(certificate), "key": str(key)}})
        for what, raw in (("nothing", b""), ("half a record", b"\x16\x03\x01\x02\x00\x01"), ("a request", b"GET / HTTP/1.1\r\n\r\n")):
            with self.subTest(what=what):
                client = self.client(gateway)
                client.send(raw)
                self.assertLess(self.ended_after(client, HANDSHAKE_S + self.slower(2)), HANDSHAKE_S + self.slower(1))

    def test_an_answer_that_nobody_reads_is_given_up_and_the_engine_stops(self):
        """S-03: the client's window is closed; the gateway stops reading, then aborts."""
        def script(connection):
            connection.read_request()
            connection.send(SSE_HEAD)
            while connection.send(chunk(event("x" * 1000))):
                pass
        recorder = self.recorder(script)
        gateway = self.strict(recorder)
        rss = gateway.rss_kb()
        client = self.client(gateway, receive_buffer=4096)
        client.send(chat(stream=True))
        connection = recorder.wait_connection()
        until("the engine's work was stopped", lambda: connection.closed_at, STALL_S * 3 + self.slower(3))
        self.assert_grown_by(gateway, rss, 4096)
        gateway.wait_finished("client_stalled")

    def test_a_client_that_reads_slowly_but_reads_is_not_given_up(self):
        body = b"x" * 600000
        recorder = self.recorder(lambda c: (c.read_request(), c.send(answer(body, fields=b"content-type: text/plain\r\n")), c.wait_end()))
        gateway = self.strict(recorder)
        client = self.client(gateway, receive_buffer=16384)
        client.send(chat())
        client.read_head()
        got = len(client.rest)
        start = now()
        while got < len(body):
            piece = client.socket.recv(16384)
            self.assertTrue(piece, f"cut off after {got} bytes and {now() - start:.1f} s")
            got += len(piece)
            time.sleep(0.07)  # the client's own pace: 600 KB take longer than the stall deadline
        self.assertGreater(now() - start, STALL_S * 1.5)


class Limits(Slow):
    def test_header_limits_are_met_before_memory_grows(self):
        """S-06"""
        recorder = self.recorder()
        gateway = self.strict(recorder)
        rss = gateway.rss_kb()
        line = b"GET /v1/models HTTP/1.1\r\n" + HOST
        for what, raw in (("one line of 128 KB", line + b"x-a: " + b"b" * 131072 + b"\r\n\r\n"),
                          ("10,000 small fields", line + b"a: b\r\n" * 10000 + b"\r\n"),
                          ("4 MB in all", line + (b"x-a: " + b"b" * 8000 + b"\r\n") * 500 + b"\r\n")):
            with self.subTest(what=what):
                client = self.client(gateway)
                client.send(raw)
                got = client.read_answer()
                self.assert_openai_error(got, 431)
                self.assertTrue(client.is_closed_within(3))
        for what, extra in (("one value of 128 KB", [("x-a", "b" * 131072)]), ("1,000 fields", [("a", "b")] * 1000)):
            with self.subTest(what="h2: " + what):
                link = self.h2(gateway)
                block = h2raw.hpack.encode(h2raw.head(extra=extra))
                pieces = [block[at:at + 16000] for at in range(0, len(block), 16000)]
                link.send(h2raw.headers(1, pieces[0], end_stream=True, end_headers=len(pieces) == 1))
                for index, piece in enumerate(pieces[1:], 2):
                    link.send(h2raw.frame(h2raw.CONTINUATION, h2raw.END_HEADERS if index == len(pieces) else 0, 1, piece))
                stream = link.wait(1)
                self.assertTrue(stream.status == 431 or stream.reset is not None or link.goaway is not None, stream)
        self.assertEqual(recorder.received(), b"")
        self.assert_grown_by(gateway, rss, 8192)
        self.assert_serves(gateway)

    def test_a_length_past_the_limit_is_refused_at_once(self):
        """S-07"""
        recorder = self.recorder()
        gateway = self.strict(recorder, listener={"limits": {"body": "1MB"}})
        client = self.client(gateway)
        client.send(b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 100000000000\r\n\r\n")
        self.assert_openai_error(client.read_answer(), 413)
        self.assertTrue(client.is_closed_within(3))
        stream = self.h2(gateway).ask(1, chat_body(), extra=[("content-length", "100000000000")])
        self.assertTrue(stream.status == 413 or stream.reset is not None, stream)

    def test_chunked_bodies_are_refused_on_the_limit(self):
        recorder = self.recorder()
        gateway = self.strict(recorder, listener={"limits": {"body": "1MB"}})
        rss = gateway.rss_kb()
        client = self.client(gateway)
        client.send(b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(400):
            if not client.send(chunk(b"x" * 16384)) or _readable(client.socket):
                break
        self.assert_openai_error(client.read_answer(), 413)
        self.assertTrue(client.is_closed_within(5))
        self.assertEqual(recorder.received(), b"")
        self.assert_grown_by(gateway, rss, 16384)

    def test_a_body_at_the_limit_passes_and_one_byte_more_does_not(self):
        recorder = self.recorder()
        gateway = self.strict(recorder, listener={"limits": {"body": 65536}})
        for size, status in ((65536, 200), (65537, 413)):
            with self.subTest(size=size):
                body = chat_body(text="x" * (size - len(chat_body(text=""))))
                self.assertEqual(len(body), size)
                client = self.client(gateway)
                client.send(post(body))
                self.assertEqual(client.read_answer().status, status)

    def test_buffered_bytes_have_a_budget_for_the_whole_process(self):
        recorder = self.recorder()
        gateway = self.strict(recorder, memory="8MB")
        clients = []
        for _ in range(30):
            client = self.client(gateway)
            clients.append(client)
            threading.Thread(target=client.send, args=(
                b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 2000000\r\n\r\n" + b"x" * 1900000,), daemon=True).start()
        until("somebody was refused", lambda: gateway.metrics().total("sluice_exchanges_finished_total", reason="memory_limit") > 0)
        self.assertLess(gateway.metrics().total("sluice_buffered_bytes"), 12 * 1024 * 1024)
        for client in clients:
            client.close()

    def test_big_heads_have_the_same_budget(self):
        """Ten thousand that nobody answers: those that find room wait, all others are told."""
        memory, count, batch = 16 * 1024 * 1024, 10000, 200
        recorder = self.recorder(silent)
        gateway = self.strict(recorder, memory=memory, listener={"limits": {"head": 32768, "connections": 20000}})
        raw = chat(fields=b"x-big: " + b"b" * 30000 + b"\r\n")
        rss, waiting, told = gateway.rss_kb(), [], []

        def sorted_out():
            poll, by_number = select.poll(), {client.socket.fileno(): client for client in waiting}
            for number in by_number:
                poll.register(number, select.POLLIN)
            for client in [by_number[number] for number, _ in poll.poll(0)]:
                told.append(client.read_answer().status)
                client.close()
                waiting.remove(client)
            return gateway.metrics().total("sluice_exchanges_active") + len(told) == sent
        for sent in range(batch, count + 1, batch):
            for _ in range(batch):
                client = RawClient(gateway.port)
                client.send(raw)
                waiting.append(client)
            until("each waits or is told", sorted_out, self.slower(10))
        metrics = gateway.metrics()
        self.clients += waiting
        self.assertEqual(set(told), {503})
        self.assertEqual(metrics.total("sluice_exchanges_finished_total", reason="memory_limit"), len(told))
        self.assertGreater(len(waiting) * len(raw), memory / 4)
        self.assertLess(metrics.total("sluice_buffered_bytes"), memory + batch * 4 * len(raw))
        self.assert_grown_by(gateway, rss, 3 * memory // 1024)

    def test_an_event_without_end_passes_through_in_bounded_memory(self):
        """S-09: 10 MB without a line end; then one byte at a time."""
        def script(connection):
            connection.read_request()
            connection.send(SSE_HEAD + chunk(b"data: "))
            for _ in range(640):
                connection.send(chunk(b"y" * 16384))
            connection.send(chunk(b"\n\n"))
            for byte in event("z") + b"data: [DONE]\n\n":
                connection.send(chunk(bytes([byte])))
            connection.send(LAST_CHUNK)
            connection.wait_end()
        recorder = self.recorder(script)
        gateway = self.strict(recorder)
        rss = gateway.rss_kb()
        client = self.client(gateway)
        client.send(chat(stream=True))
        got = client.read_answer()
        self.assertTrue(got.complete)
        self.assertEqual(len(got.body), 6 + 640 * 16384 + 2 + len(event("z")) + 14)
        self.assert_grown_by(gateway, rss, 8192)

    def test_a_stream_that_never_ends_has_a_lifetime(self):
        def script(connection):
            connection.read_request()
            connection.send(SSE_HEAD)
            while connection.send(chunk(event("a"))):
                time.sleep(0.05)  # the endpoint's own pace
        recorder = self.recorder(script)
        gateway = self.strict(recorder, pool={"timeouts": {"total": "2s"}})
        client = self.client(gateway)
        client.send(chat(stream=True))
        start = now()
        got = client.read_answer()
        self.assertLess(now() - start, 2 + self.slower(1))
        self.assertIn(b'"error"', got.body)
        self.assertNotIn(b"[DONE]", got.body)


class Disconnects(Slow):
    def started(self, listener=None):
        """A stream whose first event has reached the client."""
        def script(connection):
            connection.read_request()
            connection.send(SSE_HEAD + chunk(event("a")))
            connection.wait_end()
        recorder = self.recorder(script)
        gateway = self.in_front_of(recorder, listener=listener)
        client = self.client(gateway)
        client.send(chat(stream=True))
        client.read_head()
        until("the first event", lambda: b"content" in client.rest or not client.fill())
        return gateway, recorder, client

    def assert_aborted(self, gateway, recorder, leave):
        """Seconds from the client's leaving to the end of the engine's work; it is counted, too."""
        start = now()
        leave()
        until("the engine's work was stopped", lambda: recorder.connections[0].closed_at, self.slower(2))
        gateway.wait_finished("client_gone")
        self.assertEqual(gateway.metrics().total("sluice_endpoint_aborts_total"), 1)
        return recorder.connections[0].closed_at - start

    def test_a_client_that_leaves_stops_the_engine_within_10_ms(self):
        """S-08; the median of five, because the machine may be busy with something else once."""
        for how in ("close", "reset", "half_close"):
            with self.subTest(how=how):
                took = []
                for _ in range(5):
                    gateway, recorder, client = self.started()
                    took.append(self.assert_aborted(gateway, recorder, getattr(client, how)))
                self.assertLess(sorted(took)[2], self.slower(0.010), took)

    def test_a_fin_is_seen_while_reading_is_paused(self):
        """The second request is pipelined, so reading stops; the FIN behind it still aborts."""
        gateway, recorder, client = self.started()
        client.send(chat(text="x" * 20000))  # no more than the kernel takes, or the FIN stays behind it
        self.assert_aborted(gateway, recorder, client.half_close)

    def test_an_unanswered_request_is_aborted_too(self):
        recorder = self.recorder(lambda c: (c.read_request(), c.wait_end()))
        gateway = self.in_front_of(recorder)
        client = self.client(gateway)
        client.send(chat())
        recorder.wait_requests(1)
        self.assert_aborted(gateway, recorder, client.half_close)

    def test_half_close_on_lets_the_answer_finish(self):
        recorder = self.recorder(lambda c: (c.read_request(), time.sleep(0.3), c.send(answer()), c.wait_end()))
        gateway = self.in_front_of(recorder, listener={"half_close": True})
        client = self.client(gateway)
        client.send(chat())
        client.half_close()
        got = client.read_answer()
        self.assertEqual((got.status, got.complete), (200, True))
        self.assertTrue(client.is_closed_within(3))

    def test_a_reset_stream_stops_the_engine_and_keeps_the_connection(self):
        def script(connection):
            connection.read_request()
            connection.send(SSE_HEAD + chunk(event("a")))
            connection.wait_end()
        recorder = self.recorder(script)
        gateway = self.in_front_of(recorder)
        link = self.h2(gateway)
        link.send(h2raw.request(1, chat_body(stream=True)))
        link.read_until(lambda l: b"content" in l.stream(1).body)
        self.assert_aborted(gateway, recorder, lambda: link.send(h2raw.rst(1)))
        self.assertTrue(link.ping())


class Crowds(Slow):
    def test_out_of_descriptors_accepting_pauses_and_recovers(self):
        """S-05: no spinning, the log says it once, and clients are served when descriptors are free again."""
        gateway = self.in_front_of(self.recorder())
        have = gateway.descriptors()
        resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (have + 40, have + 40))
        crowd = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(200)]
        until("accepting paused", lambda: "descriptor" in gateway.log().lower() or "accept" in gateway.log().lower())
        cpu = gateway.cpu_s()
        lines = len(gateway.lines)
        time.sleep(1)  # the length of the measurement
        self.assertLess(gateway.cpu_s() - cpu, 0.3 * self.slower(1), "it spins")
        self.assertLess(len(gateway.lines) - lines, 5, "it floods the log")
        for sock in crowd:
            sock.close()
        until("it serves again", lambda: gateway.admin_status("/readyz") == 200)
        self.assert_serves(gateway)
        self.assertGreater(gateway.metrics().total("sluice_accept_paused_total"), 0)

    def test_a_thundering_herd_of_handshakes_leaves_streams_their_pace(self):
        """S-10"""
        authority = Authority(self.scratch)
        certificate, key = authority.issue("server")
        gaps = []

        def script(connection):
            connection.read_request()
            connection.send(SSE_HEAD)
            for n in range(150):
                connection.send(chunk(event(f"{time.monotonic_ns()}")))
                time.sleep(0.02)  # the endpoint's own pace
            connection.send(chunk(b"data: [DONE]\n\n") + LAST_CHUNK)
        recorder = self.recorder(script)
        gateway = self.gateway(config.gateway(config.pool("main", [recorder.url]), listeners=[
            config.listener(), config.listener(tls={"certificate": str(certificate), "key": str(key)})]))
        tls_port = config.port_of(gateway.configuration, 1)
        client = self.client(gateway)
        client.send(chat(stream=True))
        client.read_head()

        def herd():
            context = client_context()
            for _ in range(60):
                socks = [socket.create_connection(("127.0.0.1", tls_port)) for _ in range(20)]
                for sock in socks:
                    try:
                        context.wrap_socket(sock, server_hostname="sluice.test").close()
                    except OSError:
                        pass
        thread = threading.Thread(target=herd)
        thread.start()
        while True:
            data = client.read_chunk()
            if not data or b"DONE" in data:
                break
            for line in data.decode().split("\n\n"):
                if "content" in line:
                    stamp = int(json.loads(line[6:])["choices"][0]["delta"]["content"])
                    gaps.append((time.monotonic_ns() - stamp) / 1e6)
        thread.join()
        gaps.sort()
        self.assertLess(gaps[int(len(gaps) * 0.9)], 50 * self.slower(1), f"delay of events, ms: {gaps[-10:]}")


def _readable(sock, seconds=0):
    return select.select([sock], [], [], seconds)[0]


if __name__ == "__main__":
    unittest.main()

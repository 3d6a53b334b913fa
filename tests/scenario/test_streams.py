"""Streams: verbatim, at once, with back-pressure, and stopped when nobody listens any more."""
import json
import re
import threading
import time
import unittest

from lib import config, h2raw
from lib.harness import ROOT, now
from lib.rawclient import chat, chat_body, post
from lib.recorder import DONE_EVENT, LAST_CHUNK, ROLE_EVENT, SSE_HEAD, STOP_EVENT, answer, chunk, event, once
from lib.scenario import Scenario
from lib.wait import until

USAGE = b'"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}'
USAGE_EVENT = b'data: {"id":"r","object":"chat.completion.chunk","model":"recorded","choices":[],' + USAGE + b"}\n\n"
# What a client sends for a golden stream of each dialect.
REQUESTS = {
    "chat": (b"/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
    "completions": (b"/v1/completions", {"prompt": "hi"}),
    "responses": (b"/v1/responses", {"input": "hi"}),
    "messages": (b"/v1/messages", {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}),
}
ASKED = {"stream": True, "stream_options": {"include_usage": True}}


class Verbatim(Scenario):
    def stream(self, body, pieces, **asked):
        """The bytes a client gets of an endpoint's stream cut into these pieces."""
        recorder = self.recorder(once(SSE_HEAD, *[chunk(piece) for piece in pieces], LAST_CHUNK, close=False))
        gateway = self.in_front_of(recorder)
        client = self.client(gateway)
        client.send(chat(**(asked or ASKED)))
        got = client.read_answer()
        self.assertTrue(got.complete, got)
        self.assertEqual(got.status, 200)
        return got, gateway, recorder

    def test_events_of_every_form_pass_byte_for_byte(self):
        """Line ends, comments, BOM, unknown fields, missing spaces, several events in a piece."""
        for what, body in (
                ("CRLF", event("a").replace(b"\n", b"\r\n") + DONE_EVENT.replace(b"\n", b"\r\n")),
                ("CR", event("a").replace(b"\n", b"\r") + DONE_EVENT.replace(b"\n", b"\r")),
                ("BOM", b"\xef\xbb\xbf" + ROLE_EVENT + event("a") + DONE_EVENT),
                ("comments", b": keep-alive\n\n" + ROLE_EVENT + b":\n" + event("a") + b": x\n\n" + DONE_EVENT),
                ("fields", b"event: message\nid: 1\nretry: 100\nunknown\n" + event("a") + DONE_EVENT),
                ("no space", (ROLE_EVENT + event("a") + STOP_EVENT + USAGE_EVENT + DONE_EVENT).replace(b"data: ", b"data:")),
                ("text that is no JSON", b"data: hello\n\n" + event("a") + DONE_EVENT),
                ("UTF-8 cut in two", event("żółć ⚡ 漢字") + DONE_EVENT)):
            for size in (1, 7, len(body)):
                with self.subTest(what=what, size=size):
                    got, gateway, _ = self.stream(body, [body[at:at + size] for at in range(0, len(body), size)])
                    self.assertEqual(got.body, body)
                    gateway.stop()

    def golden(self, *, stripped):
        """(sidecar, sent, expected) of the golden streams that a route of the gateway can carry to their end."""
        for path in sorted((ROOT / "tests" / "golden").glob("*.json")):
            facts = json.loads(path.read_text())
            expect = facts["expect"]
            if facts["dialect"] not in REQUESTS or not facts["stream"].endswith(".sse") or not (expect["terminal"] or expect["finish"] or expect["error"]):
                continue
            expected = path.with_suffix(".stripped" if stripped else ".sse")
            if expected.exists():
                yield facts, path.with_suffix(".sse").read_bytes(), expected.read_bytes()

    def assert_golden(self, stripped, asked):
        current = {}

        def script(connection):
            while connection.read_request():
                body, size = current["body"], current["size"]
                connection.send(SSE_HEAD)
                for at in range(0, len(body), size):
                    connection.send(chunk(body[at:at + size]))
                connection.send(LAST_CHUNK)
        gateway = self.in_front_of(self.recorder(script))
        count = 0
        for facts, sent, expected in self.golden(stripped=stripped):
            if stripped and facts["strip"] != "added":
                continue
            for size in (13, 4096):
                with self.subTest(golden=facts["stream"], size=size):
                    current.update(body=sent, size=size)
                    client = self.client(gateway)
                    path, body = REQUESTS[facts["dialect"]]
                    client.send(post(json.dumps({"model": "sim", "stream": True, **body, **asked(facts)}).encode(), path=path))
                    got = client.read_answer()
                    self.assertEqual((got.body, got.complete), (expected, True))
                    count += 1
                    until("the line is written", lambda: len(gateway.access_lines()) == count)
                    line = gateway.access_lines()[-1]
                    usage = facts["expect"]["usage"]
                    self.assertEqual((line.get("prompt_tokens"), line.get("output_tokens")), (usage.get("prompt"), usage.get("completion")))
        self.assertGreater(count, 20)

    def test_golden_streams_pass_byte_for_byte_and_are_counted(self):
        def asked(facts):
            return {"stream_options": {"include_usage": True}} if facts["dialect"] in ("chat", "completions") else {}
        self.assert_golden(False, asked)

    def test_golden_streams_lose_what_sluice_added_and_are_counted(self):
        self.assert_golden(True, lambda facts: {})

    def test_usage_that_sluice_asked_for_is_taken_out_again(self):
        body = ROLE_EVENT + event("a") + event("b") + STOP_EVENT + DONE_EVENT
        with_usage = ROLE_EVENT + event("a") + event("b") + STOP_EVENT + USAGE_EVENT + DONE_EVENT
        for size in (1, 50, len(with_usage)):
            with self.subTest(size=size):
                got, gateway, recorder = self.stream(body, [with_usage[at:at + size] for at in range(0, len(with_usage), size)], stream=True)
                self.assertEqual(got.body, body)
                self.assertIs(json.loads(recorder.requests[0].body)["stream_options"]["include_usage"], True)
                until("the line is written", lambda: gateway.access_lines())
                line = gateway.access_lines()[-1]
                self.assertEqual((line["prompt_tokens"], line["output_tokens"]), (7, 2))

    def test_usage_that_the_client_asked_for_stays(self):
        body = ROLE_EVENT + event("a") + STOP_EVENT + USAGE_EVENT + DONE_EVENT
        got, gateway, recorder = self.stream(body, [body])
        self.assertEqual(got.body, body)
        self.assertEqual(recorder.requests[0].body, chat_body(**ASKED))

    def test_the_answers_head_suits_a_stream(self):
        got, _, _ = self.stream(b"", [event("a") + DONE_EVENT])
        self.assertIn("text/event-stream", got.get("content-type"))
        self.assertIsNone(got.get("content-length"))
        self.assertEqual(got.get("x-accel-buffering"), "no")

    def test_streams_over_http2_are_the_same_bytes(self):
        body = ROLE_EVENT + event("a") * 500 + STOP_EVENT + USAGE_EVENT + DONE_EVENT
        recorder = self.recorder(once(SSE_HEAD, *[chunk(body[at:at + 999]) for at in range(0, len(body), 999)], LAST_CHUNK, close=False))
        gateway = self.in_front_of(recorder)
        stream = self.h2(gateway).ask(1, chat_body(**ASKED))
        self.assertEqual(stream.body, body)
        self.assertTrue(stream.ended)

    def test_an_http10_client_gets_a_stream_until_close(self):
        body = ROLE_EVENT + event("a") + STOP_EVENT + USAGE_EVENT + DONE_EVENT
        recorder = self.recorder(once(SSE_HEAD, chunk(body), LAST_CHUNK, close=False))
        gateway = self.in_front_of(recorder)
        client = self.client(gateway)
        raw = chat_body(**ASKED)
        client.send(b"POST /v1/chat/completions HTTP/1.0\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(raw), raw))
        got = client.read_to_end()
        self.assertTrue(got.endswith(body), got)
        self.assertNotIn(b"chunked", got.lower().split(b"\r\n\r\n")[0])


class AtOnce(Scenario):
    def delays(self, ask_client):
        """One-way delays, ms, of events sent one at a time, each only after the one before was seen."""
        seen = threading.Semaphore(0)

        def script(connection):
            connection.read_request()
            connection.send(SSE_HEAD + chunk(ROLE_EVENT))
            for _ in range(60):
                connection.send(chunk(event(str(time.monotonic_ns()))))
                seen.acquire(timeout=5)
            connection.send(chunk(STOP_EVENT + USAGE_EVENT + DONE_EVENT) + LAST_CHUNK)
            connection.wait_end()
        gateway = self.in_front_of(self.recorder(script))
        delays = sorted(ask_client(gateway, seen))
        until("the gaps between them are counted",
              lambda: gateway.metrics().total("sluice_inter_token_seconds_count") == 59, self.slower(2))
        return delays

    def stamps(self, data, seen):
        for stamp in re.findall(rb'"content":"(\d+)"', data):
            yield (time.monotonic_ns() - int(stamp)) / 1e6
            seen.release()

    def test_each_event_is_passed_on_before_the_next_one_comes(self):
        def ask(gateway, seen):
            client = self.client(gateway)
            client.send(chat(**ASKED))
            client.read_head()
            found = []
            while data := client.read_chunk():
                found += self.stamps(data, seen)
            return found
        delays = self.delays(ask)
        self.assertEqual(len(delays), 60)
        self.assertLess(delays[30], self.slower(2), "median delay of an event, ms")

    def test_each_event_is_passed_on_at_once_over_http2(self):
        def ask(gateway, seen):
            link = self.h2(gateway)
            link.send(h2raw.request(1, chat_body(**ASKED)))
            found, at = [], 0
            while not link.stream(1).over:
                link.read_frame()
                body = link.stream(1).body
                found += self.stamps(body[at:], seen)
                at = len(body)
            return found
        delays = self.delays(ask)
        self.assertEqual(len(delays), 60)
        self.assertLess(delays[30], self.slower(2), "median delay of an event, ms")

    def test_whole_events_are_passed_on_at_once_where_usage_is_taken_out(self):
        def ask(gateway, seen):
            client = self.client(gateway)
            client.send(chat(stream=True))
            client.read_head()
            found = []
            while data := client.read_chunk():
                found += self.stamps(data, seen)
            return found
        self.assertEqual(len(self.delays(ask)), 60)


class BackPressure(Scenario):
    def flooded(self):
        """A gateway before an endpoint that sends as fast as it is taken, and what it got rid of."""
        sent = [0]

        def script(connection):
            connection.read_request()
            connection.send(SSE_HEAD)
            piece = chunk(event("x" * 8000))
            connection.socket.settimeout(60)
            while sent[0] < 64 * 1024 * 1024 and connection.send(piece):
                sent[0] += len(piece)
            connection.send(chunk(DONE_EVENT) + LAST_CHUNK)
        return self.in_front_of(self.recorder(script)), sent

    def settled_at(self, sent):
        """What the endpoint could send before it was stopped."""
        last = [-1, now()]

        def steady():
            if sent[0] != last[0]:
                last[:] = [sent[0], now()]
            return now() - last[1] > 0.5
        until("the endpoint is stopped", steady, self.slower(10))
        return sent[0]

    def test_a_client_that_does_not_read_stops_the_endpoint(self):
        gateway, sent = self.flooded()
        rss = gateway.rss_kb()
        client = self.client(gateway, receive_buffer=8192)
        client.send(chat(**ASKED))
        stopped = self.settled_at(sent)
        self.assertLess(stopped, 16 * 1024 * 1024, "kernel buffers and ours")
        self.assert_grown_by(gateway, rss, 4096)
        self.assertLess(gateway.metrics().total("sluice_buffered_bytes"), 2 * 1024 * 1024)
        taken = len(client.rest)
        while taken < 4 * stopped:
            taken += len(client.socket.recv(1 << 20))
        self.assertGreater(sent[0], stopped, "it goes on when the client reads")
        client.close()

    def test_one_stalled_stream_does_not_stop_its_neighbours(self):
        gateway, sent = self.flooded()
        link = self.h2(gateway, auto_window=False)
        link.send(h2raw.request(1, chat_body(**ASKED)))
        self.settled_at(sent)
        link.send(h2raw.window_update(0, 1 << 24))
        link.send(h2raw.request(3, None, path="/v1/models", method="GET"))
        self.assertEqual(link.wait(3).status, 200)
        link.close()

    def test_an_upload_waits_for_a_slow_endpoint(self):
        """Bodies that are streamed through: the endpoint's window closes the client's."""
        go_on = threading.Event()

        def script(connection):
            connection.read_until(b"\r\n\r\n", 0)
            go_on.wait(20)
            connection.read_bytes(48 * 1024 * 1024)
            connection.send(answer())
            connection.wait_end()
        recorder = self.recorder(script, read_buffer=8192)
        gateway = self.in_front_of(recorder, models=[config.model("*", "main", inspect=False)])
        rss = gateway.rss_kb()
        client = self.client(gateway)
        client.socket.settimeout(2)
        size = 48 * 1024 * 1024
        client.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % size)
        taken, piece = 0, b"x" * 65536
        try:
            while taken < size:
                taken += client.socket.send(piece[:size - taken])
        except TimeoutError:
            pass
        self.assertLess(taken, 24 * 1024 * 1024)
        self.assert_grown_by(gateway, rss, 8192)
        go_on.set()
        client.socket.settimeout(30)
        while taken < size:
            taken += client.socket.send(piece[:size - taken])
        self.assertEqual(client.read_answer().status, 200)


class WithEngine(Scenario):
    def aborts(self, engine):
        return engine.stats()["aborts"]

    def test_a_cancelled_stream_stops_the_simulated_engine(self):
        engine = self.engine("--tokens", "2000", time_scale=1)
        gateway = self.in_front_of(engine)
        client = self.client(gateway)
        client.send(chat(stream=True, max_tokens=2000))
        client.read_head()
        until("the first event", lambda: b"content" in client.rest or not client.fill())
        client.close()
        until("the engine aborted it", lambda: self.aborts(engine) == 1, self.slower(2))
        self.assertEqual(gateway.metrics().total("sluice_endpoint_aborts_total"), 1)

    def test_a_cancelled_answer_that_is_no_stream_stops_the_engine_too(self):
        engine = self.engine("--tokens", "2000", time_scale=1)
        gateway = self.in_front_of(engine)
        client = self.client(gateway)
        client.send(chat(max_tokens=2000))
        until("the engine works", lambda: engine.stats()["in_flight"] == 1)
        client.close()
        until("the engine aborted it", lambda: self.aborts(engine) == 1, self.slower(2))

    def test_many_streams_at_once_are_all_whole(self):
        engine = self.engine("--tokens", "20", time_scale=0.05)
        gateway = self.in_front_of(engine, workers=2)
        links = [self.h2(gateway) for _ in range(4)]
        for link in links:
            for n in range(50):
                link.send(h2raw.request(2 * n + 1, chat_body(text=f"stream {n}", **ASKED)))
        for link in links:
            for n in range(50):
                stream = link.wait(2 * n + 1, self.slower(20))
                self.assertEqual(stream.status, 200)
                self.assertTrue(stream.body.endswith(b"data: [DONE]\n\n"), stream)
        metrics = gateway.metrics()
        self.assertEqual(metrics.total("sluice_tokens_total", type="output"), 4 * 50 * 20)
        self.assertEqual(metrics.total("sluice_time_to_first_token_seconds_count"), 4 * 50)

    def test_a_stream_costs_few_kilobytes(self):
        def script(connection):
            connection.read_request()
            connection.send(SSE_HEAD + chunk(ROLE_EVENT + event("a")))
            connection.wait_end()
        gateway = self.in_front_of(self.recorder(script))

        def open_streams(count):
            for _ in range(count):
                client = self.client(gateway)
                client.send(chat(**ASKED))
                client.read_head()
            return gateway.rss_kb()
        warm = open_streams(100)
        open_streams(400)
        self.assert_grown_by(gateway, warm, 400 * 12)  # HTTP/1.1 on both sides


if __name__ == "__main__":
    unittest.main()

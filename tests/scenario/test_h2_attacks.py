"""HTTP/2 resource attacks (H2-01 to H2-20): each is cut off, and costs neither memory nor the next client.

An attacker's connection gets a GOAWAY or an end within a bounded number of frames; what it started
is cancelled at the endpoint; a well-behaved client is served during and after.
"""
import struct
import time
import unittest

from lib import config, h2raw, hpack
from lib.h2raw import (CANCEL, CONTINUATION, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PING, PRIORITY, PROTOCOL_ERROR,
                       REFUSED_STREAM, SETTINGS, data, frame, head, headers, rst, settings, window_update)
from lib.rawclient import chat_body
from lib.recorder import always, answer, silent
from lib.scenario import Scenario
from lib.wait import until

BODY = chat_body()
MEMORY_KB = 24 * 1024  # what an attack may cost at most


class Attack(Scenario):
    def setUp(self):
        super().setUp()
        self.endpoint = self.recorder()
        self.proxy = self.in_front_of(self.endpoint)
        self.rss_kb = self.proxy.rss_kb()

    def assert_cut_off(self, link, codes=(ENHANCE_YOUR_CALM,), seconds=10):
        """The gateway ends the connection; sending must have stopped mattering by then."""
        self.assertTrue(link.is_closed_within(self.slower(seconds)), f"still open: {link.frames[-3:]}")
        if link.goaway is not None:
            self.assertIn(link.goaway, codes, link.frames[-3:])

    def assert_unharmed(self):
        self.assert_serves(self.proxy)
        self.assertEqual(self.h2(self.proxy).ask(1, BODY).status, 200)
        self.assert_grown_by(self.proxy, self.rss_kb, MEMORY_KB)

    def flood(self, link, piece, count, batch=100):
        """Sends `piece(n)` up to `count` times; stops when the gateway has left. Returns how many were sent."""
        for start in range(0, count, batch):
            if not link.send(b"".join(piece(n) for n in range(start, min(start + batch, count)))):
                return start
        return count

    def assert_flood_is_cut(self, piece, count=30000, first=b"", codes=(ENHANCE_YOUR_CALM,), **more):
        link = self.h2(self.proxy, **more)
        link.send(first)
        self.flood(link, piece, count)
        self.assert_cut_off(link, codes)
        self.assert_unharmed()
        return link


class Floods(Attack):
    def test_rapid_reset_is_cut_off_and_its_work_cancelled(self):
        """H2-01"""
        self.endpoint.script = silent
        link = self.h2(self.proxy)
        sent = self.flood(link, lambda n: h2raw.request(2 * n + 1, BODY) + rst(2 * n + 1), 30000)
        self.assert_cut_off(link)
        self.assertLess(len(self.endpoint.connections), 3000, f"{sent} requests sent")
        until("all work was cancelled", lambda: self.proxy.metrics().total("sluice_exchanges_active") == 0, self.slower(5))
        self.endpoint.script = always(answer())
        self.assert_unharmed()

    def test_cpu_is_quiet_after_a_rapid_reset_was_cut(self):
        link = self.h2(self.proxy)
        self.flood(link, lambda n: h2raw.request(2 * n + 1, BODY) + rst(2 * n + 1), 30000)
        self.assert_cut_off(link)
        until("the gateway is idle", lambda: not self.proxy.unsettled(), self.slower(5))
        before = self.proxy.cpu_s()
        time.sleep(1)  # the length of the measurement
        self.assertLess(self.proxy.cpu_s() - before, 0.2)

    MADE_YOU_RESET = {
        "WINDOW_UPDATE of 0": lambda n: window_update(n, 0),
        "window overflow": lambda n: window_update(n, 0x7fffffff),
        "PRIORITY of a wrong length": lambda n: frame(PRIORITY, 0, n, b"\0" * 4),
        "PRIORITY on itself": lambda n: frame(PRIORITY, 0, n, struct.pack(">IB", n, 0)),
        "DATA on a half-closed stream": lambda n: data(n, b"x"),
        "HEADERS on a half-closed stream": lambda n: headers(n, head(), end_stream=True),
    }

    def test_made_you_reset_counts_like_a_reset(self):
        """H2-02: resets that the gateway is made to send count in the same bucket; unfinished work counts as open."""
        for what, spoil in self.MADE_YOU_RESET.items():
            with self.subTest(what=what):
                self.endpoint.script = silent
                link = self.h2(self.proxy)
                self.flood(link, lambda n: h2raw.request(2 * n + 1, BODY) + spoil(2 * n + 1), 20000, batch=50)
                self.assert_cut_off(link, (ENHANCE_YOUR_CALM, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, h2raw.STREAM_CLOSED))
                until("all work was cancelled", lambda: self.proxy.metrics().total("sluice_exchanges_active") == 0, self.slower(5))
                self.endpoint.script = always(answer())
                self.assert_unharmed()

    def test_continuations_without_end_are_cut_before_they_are_decoded(self):
        """H2-03"""
        block = hpack.literal("x-a", "b" * 1000)
        for what, piece in (("full", frame(CONTINUATION, 0, 1, block)), ("empty", frame(CONTINUATION, 0, 1, b""))):
            with self.subTest(what=what):
                self.assert_flood_is_cut(lambda n: piece, first=headers(1, head(), end_headers=False),
                                         codes=(ENHANCE_YOUR_CALM, PROTOCOL_ERROR, h2raw.INTERNAL_ERROR))

    def test_a_few_continuations_are_a_request(self):
        block = hpack.encode(head(extra=[("content-type", "application/json"), ("x-a", "b" * 300)]))
        link = self.h2(self.proxy)
        third = len(block) // 3
        link.send(headers(1, block[:third], end_headers=False) + frame(CONTINUATION, 0, 1, block[third:2 * third])
                  + frame(CONTINUATION, h2raw.END_HEADERS, 1, block[2 * third:]) + data(1, BODY))
        self.assertEqual(link.wait(1).status, 200)

    def test_pings_and_settings_are_answered_within_a_bound(self):
        """H2-07: the answers are not read, so they pile up on the gateway's side."""
        for what, piece in (("PING", frame(PING, 0, 0, b"01234567")), ("SETTINGS", settings((h2raw.INITIAL_WINDOW_SIZE, 65535)))):
            with self.subTest(what=what):
                self.assert_flood_is_cut(lambda n: piece, 200000)

    def test_a_settings_frame_with_thousands_of_entries_is_refused(self):
        link = self.h2(self.proxy)
        link.send(settings(*[(h2raw.INITIAL_WINDOW_SIZE, 65535)] * 2500))
        self.assert_cut_off(link, (ENHANCE_YOUR_CALM, PROTOCOL_ERROR, FRAME_SIZE_ERROR))
        self.assert_unharmed()

    def test_priority_churn_is_ignored_and_counted(self):
        """H2-08"""
        for what, piece in (("PRIORITY", lambda n: frame(PRIORITY, 0, 2 * n + 1, struct.pack(">IB", 0, n % 256))),
                            ("PRIORITY_UPDATE", lambda n: frame(h2raw.PRIORITY_UPDATE, 0, 0, struct.pack(">I", 1) + b"u=1"))):
            with self.subTest(what=what):
                self.assert_flood_is_cut(piece, 100000)

    def test_a_dependency_loop_changes_nothing(self):
        link = self.h2(self.proxy)
        for n in (1, 3, 5):
            link.send(frame(PRIORITY, 0, n, struct.pack(">IB", n + 2 if n < 5 else 1, 255)))
        self.assertEqual(link.ask(7, BODY).status, 200)

    def test_frames_that_carry_nothing_are_counted(self):
        """H2-09"""
        padding = frame(h2raw.DATA, h2raw.PADDED, 1, b"\0")
        for what, piece in (("empty DATA", data(1, b"", end_stream=False)), ("padding only", padding)):
            with self.subTest(what=what):
                self.assert_flood_is_cut(lambda n: piece, 100000, first=headers(1, head(extra=[("content-type", "application/json")])),
                                         codes=(ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR))

    def test_empty_headers_frames_are_counted(self):
        self.assert_flood_is_cut(lambda n: headers(2 * n + 1, b"", end_stream=True), 30000, codes=(ENHANCE_YOUR_CALM, PROTOCOL_ERROR))

    def test_window_updates_of_one_byte_buy_no_write_of_one_byte(self):
        """H2-11"""
        self.endpoint.script = always(answer(b"x" * 100000, fields=b"content-type: text/plain\r\n"))
        link = self.h2(self.proxy, with_settings=[(h2raw.INITIAL_WINDOW_SIZE, 0)], auto_window=False)
        link.send(h2raw.request(1, BODY))
        link.read_until(lambda l: l.stream(1).fields)
        self.flood(link, lambda n: window_update(1, 1), 100000, batch=20)
        self.assert_cut_off(link)
        self.assertLess(len(link.stream(1).body), 20000)
        self.endpoint.script = always(answer())
        self.assert_unharmed()

    def test_an_upload_after_the_answer_is_stopped_politely(self):
        """H2-19"""
        link = self.h2(self.proxy)
        link.send(headers(1, head(path="/nowhere", extra=[("content-type", "application/json")])))
        link.read_until(lambda l: l.stream(1).fields)
        self.assertEqual(link.stream(1).status, 404)
        sent = 0
        while sent < 8 * 1024 * 1024 and link.send(data(1, b"x" * 16000, end_stream=False)):
            sent += 16000
            if link.stream(1).reset is not None:
                break
            try:
                link.read_frame(0.01)
            except AssertionError:
                pass
        self.assertTrue(link.stream(1).reset in (h2raw.NO_ERROR, CANCEL, h2raw.STREAM_CLOSED) or link.goaway is not None, link.stream(1))
        self.assert_unharmed()


class Limits(Attack):
    def refused(self, block, codes=(ENHANCE_YOUR_CALM, PROTOCOL_ERROR, h2raw.COMPRESSION_ERROR, h2raw.INTERNAL_ERROR)):
        link = self.h2(self.proxy)
        link.send(block)
        stream = link.wait(1)
        self.assertTrue(stream.status == 431 or stream.reset is not None or link.goaway in codes, f"{stream} {link.goaway}")
        self.assertEqual(self.endpoint.received(), b"")
        return stream

    def test_a_large_entry_referenced_often_meets_the_decoded_limit(self):
        """H2-04: 4 KB in the table, then one byte for each copy."""
        block = hpack.encode(head()) + hpack.literal("x-a", "b" * 3900, indexed=True) + hpack.indexed(62) * 12000
        self.refused(headers(1, block, end_stream=True))
        self.assert_unharmed()

    def test_thousands_of_tiny_fields_meet_the_count_limit(self):
        """H2-05, with the answer's window closed."""
        block = hpack.encode(head()) + hpack.literal("a", "", indexed=True) + hpack.indexed(62) * 8000
        link = self.h2(self.proxy, with_settings=[(h2raw.INITIAL_WINDOW_SIZE, 0)])
        for number in range(1, 100, 2):
            link.send(headers(number, block, end_stream=True))
        link.is_closed_within(1)
        self.assertEqual(self.endpoint.received(), b"")
        link.close()
        self.assert_unharmed()

    def test_empty_names_are_malformed(self):
        """H2-06"""
        stream = self.refused(headers(1, hpack.encode(head(extra=[("", "")] * 1000)), end_stream=True))
        self.assertNotEqual(stream.status, 200)

    def test_a_window_past_its_limit_is_a_flow_control_error(self):
        """H2-12"""
        self.endpoint.script = silent
        for what, attack in (("by SETTINGS", window_update(1, 0x7fff0000) + settings((h2raw.INITIAL_WINDOW_SIZE, 0x7fffffff))),
                             ("of the connection", window_update(0, 0x7fffffff)),
                             ("value", settings((h2raw.INITIAL_WINDOW_SIZE, 0xffffffff)))):
            with self.subTest(what=what):
                link = self.h2(self.proxy)
                link.send(h2raw.request(1, BODY) + attack)
                self.assert_cut_off(link, (FLOW_CONTROL_ERROR,))

    def test_the_encoders_table_is_ours_to_bound(self):
        """H2-13: a peer that allows 4 GB and flaps gets no table of that size."""
        link = self.h2(self.proxy, with_settings=[(h2raw.HEADER_TABLE_SIZE, 0xffffffff)])
        for number in range(1, 60, 2):
            link.send(settings((h2raw.HEADER_TABLE_SIZE, 0)) + settings((h2raw.HEADER_TABLE_SIZE, 0xffffffff)))
            self.assertEqual(link.ask(number, BODY).status, 200)
        self.assertLessEqual(sum(len(name) + len(value) + 32 for name, value in link.decoder.table), 65536)
        self.assert_unharmed()

    def test_frames_off_the_grammar_end_the_connection(self):
        """H2-14; h2spec has the rest."""
        for what, raw in (
                ("a frame over the size limit", frame(h2raw.DATA, 0, 1, b"x" * 20000)),
                ("padding longer than the frame", headers(1, head()) + frame(h2raw.DATA, h2raw.PADDED, 1, b"\xff" + b"x" * 10)),
                ("DATA on stream 0", frame(h2raw.DATA, 0, 0, b"x")),
                ("HEADERS on an even stream", headers(2, head(), end_stream=True)),
                ("a falling stream id", h2raw.request(5, BODY) + h2raw.request(3, BODY)),
                ("DATA on an idle stream", data(7, b"x")),
                ("RST_STREAM of a wrong length", headers(1, head()) + frame(h2raw.RST_STREAM, 0, 1, b"\0" * 5)),
                ("PING of a wrong length", frame(PING, 0, 0, b"short")),
                ("SETTINGS of a wrong length", frame(SETTINGS, 0, 0, b"short")),
                ("CONTINUATION out of nowhere", frame(CONTINUATION, h2raw.END_HEADERS, 1, b"")),
                ("PUSH_PROMISE from a client", frame(h2raw.PUSH_PROMISE, h2raw.END_HEADERS, 1, struct.pack(">I", 2)))):
            with self.subTest(what=what):
                link = self.h2(self.proxy)
                link.send(raw)
                self.assertTrue(link.is_closed_within(self.slower(3)), "still open")
                self.assertNotIn(link.goaway, (h2raw.NO_ERROR,))
        self.assert_unharmed()

    def test_frames_after_the_end_of_the_session_do_no_harm(self):
        """H2-15: CVE-2026-27135 is a frame after the library decided to end."""
        for _ in range(20):
            link = self.h2(self.proxy)
            link.send(data(7, b"x") + h2raw.request(9, BODY) * 50 + frame(PING, 0, 0, b"01234567") * 50 + window_update(0, 1) * 50)
            link.is_closed_within(2)
        self.assert_unharmed()

    def test_streams_past_the_limit_are_refused_and_not_forwarded(self):
        """H2-17: more streams than the limit, before our SETTINGS is acknowledged."""
        self.endpoint.script = silent
        link = self.h2(self.proxy)
        link.send(b"".join(h2raw.request(2 * n + 1, BODY) for n in range(2000)))
        link.read_until(lambda l: h2raw.MAX_CONCURRENT_STREAMS in l.settings)
        limit = link.settings[h2raw.MAX_CONCURRENT_STREAMS]

        def refused():
            return sum(s.reset == REFUSED_STREAM for s in link.streams.values())
        link.read_until(lambda l: l.goaway is not None or refused() >= 2000 - limit)
        self.assertTrue(refused() >= 2000 - limit or link.goaway is not None, f"{refused()} refused, limit {limit}")
        self.assertLessEqual(len(self.endpoint.connections), limit)
        link.close()
        self.endpoint.script = always(answer())

    def test_many_streams_on_one_connection_leave_nothing_behind(self):
        """H2-16: closed streams are not kept."""
        link = self.h2(self.proxy)
        for number in range(1, 401, 2):
            self.assertEqual(link.ask(number, BODY).status, 200)
        middle = self.proxy.rss_kb()
        for number in range(401, 4001, 2):
            self.assertEqual(link.ask(number, BODY).status, 200)
        self.assert_grown_by(self.proxy, middle, 4096)


class Stalls(Scenario):
    def test_prefaces_that_are_wrong_half_or_slow_are_closed_in_time(self):
        """H2-18"""
        gateway = self.gateway(config.gateway(config.pool("main", [self.recorder().url]), listeners=[config.strict_listener()]))
        for what, raw in (("wrong", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"), ("half", h2raw.PREFACE[:10]), ("no SETTINGS", h2raw.PREFACE),
                          ("PING first", h2raw.PREFACE + frame(PING, 0, 0, b"01234567"))):
            with self.subTest(what=what):
                link = self.h2(gateway, preface=False)
                link.send(raw)
                self.assertTrue(link.is_closed_within(self.slower(4)), "still open")
        self.assert_serves(gateway)

    def test_a_hundred_stalled_streams_hold_little_and_are_reset(self):
        """H2-10: zero windows, big answers; reading from the endpoint stops, memory is bounded, a timer ends it."""
        big = b"x" * (8 * 1024 * 1024)
        recorder = self.recorder(lambda c: (c.read_request(), c.send(answer(big, fields=b"content-type: text/plain\r\n")), c.wait_end()))
        gateway = self.gateway(config.gateway(config.pool("main", [recorder.url]), listeners=[config.strict_listener()]))
        rss = gateway.rss_kb()
        link = self.h2(gateway, with_settings=[(h2raw.INITIAL_WINDOW_SIZE, 0)], auto_window=False)
        link.send(b"".join(h2raw.request(2 * n + 1, BODY) for n in range(50)))
        recorder.wait_requests(50, self.slower(5))
        until("a stalled stream was reset", lambda: link.read_until(
            lambda l: l.ended or sum(s.reset is not None for s in l.streams.values()) >= 50, self.slower(8)), self.slower(8))
        self.assert_grown_by(gateway, rss, 50 * 700 + 16384)
        until("the endpoint's work was given up", lambda: all(c.closed_at for c in recorder.connections), self.slower(5))


class HostileEndpoint(Scenario):
    """H2-20: the same limits hold towards endpoints that speak HTTP/2."""

    ATTACKS = {
        "CONTINUATION flood": headers(1, [(":status", "200")], end_headers=False) + frame(CONTINUATION, 0, 1, hpack.literal("x-a", "b" * 1000)) * 3000,
        "a push": frame(SETTINGS, h2raw.ACK) + frame(h2raw.PUSH_PROMISE, h2raw.END_HEADERS, 1, struct.pack(">I", 2) + hpack.encode(head())),
        "a flood of 1xx": headers(1, [(":status", "103")]) * 5000,
        "a flood of PINGs": frame(PING, 0, 0, b"01234567") * 50000,
        "a flood of SETTINGS": settings((h2raw.INITIAL_WINDOW_SIZE, 65535)) * 50000,
        "a header list of 1 MB": b"".join([headers(1, [(":status", "200")], end_headers=False)] + [frame(CONTINUATION, 0, 1, hpack.literal("x-a", "b" * 16000))] * 7
                                          + [frame(CONTINUATION, h2raw.END_HEADERS, 1, hpack.indexed(8))]),
        "GOAWAY storm": frame(h2raw.GOAWAY, 0, 0, struct.pack(">II", 0, 0)) * 5000,
        "garbage": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "an answer on a stream nobody opened": headers(9, [(":status", "200")], end_stream=True),
    }

    def test_an_attack_by_the_endpoint_is_a_502(self):
        for what, attack in self.ATTACKS.items():
            with self.subTest(what=what):
                def script(connection, attack=attack):
                    connection.read_until(b"{", 0)
                    connection.send(settings() + attack)
                    connection.wait_end()
                recorder = self.recorder(script)
                gateway = self.in_front_of(recorder.url.replace("http:", "h2c:"), pool={"retry": {"attempts": 1}})
                rss = gateway.rss_kb()
                client = self.client(gateway)
                client.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                            % (len(BODY), BODY))
                got = client.read_answer()
                self.assert_openai_error(got, 502)
                self.assert_grown_by(gateway, rss, MEMORY_KB * 3)
                gateway.stop()


if __name__ == "__main__":
    unittest.main()

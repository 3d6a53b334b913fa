"""HTTP/1.1 framing and request smuggling (H1-01 to H1-24).

Every refused request is sent with the connection held open: the gateway must answer, close by
itself, and never have let a byte of it through to the endpoint.
"""
import re
import unittest
from typing import NamedTuple

from lib import config
from lib.rawclient import HOST, JSON, chat, chat_body, post
from lib.recorder import OK_BODY, answer, chunk, once
from lib.scenario import Scenario
from lib.wait import until

BODY = chat_body()
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = chunk(BODY) + b"0\r\n\r\n"
SMUGGLED = b"GET /v1/smuggled HTTP/1.1\r\nHost: sluice.test\r\n\r\n"


def head(*fields, line=b"POST /v1/chat/completions HTTP/1.1\r\n", host=HOST):
    return line + host + JSON + b"".join(fields) + b"\r\n"


class Row(NamedTuple):
    id: str
    what: str
    raw: bytes
    status: tuple = (400,)  # () : closed without an answer


def te(value, name=b"Transfer-Encoding"):
    return head(name + b": " + value + b"\r\n") + CHUNKS


def cl(value):
    return head(b"Content-Length:" + value + b"\r\n") + BODY


def sized(line):
    """A chunked body whose first size line is this one."""
    return head(CHUNKED) + line + BODY + b"\r\n0\r\n\r\n"


FRAMING = [
    Row("H1-01", "CL.TE", head(LENGTH, CHUNKED) + CHUNKS),
    Row("H1-01", "CL.TE with a request behind the last chunk", head(b"Content-Length: 4\r\n", CHUNKED) + b"0\r\n\r\n" + SMUGGLED),
    Row("H1-02", "TE.CL", head(CHUNKED, b"Content-Length: 4\r\n") + chunk(SMUGGLED) + b"0\r\n\r\n"),
    *[Row("H1-03", f"coding {value!r}", te(value), (400, 501)) for value in (
        b"xchunked", b"chunked, identity", b"identity, chunked", b"chunked, chunked", b"identity", b"gzip, chunked",
        b"\x0bchunked", b"\x0cchunked", b"\tchunked", b'"chunked"', b"chunked;a=b", b"chunked,", b",chunked", b"", b"chunke", b"ch\xfcnked")],
    Row("H1-03", "space before the colon", te(b"chunked", b"Transfer-Encoding ")),
    Row("H1-03", "tab before the colon", te(b"chunked", b"Transfer-Encoding\t")),
    Row("H1-03", "two lines", head(CHUNKED, CHUNKED) + CHUNKS, (400, 501)),
    Row("H1-03", "chunked, then identity on a line of its own", head(CHUNKED, b"Transfer-Encoding: identity\r\n") + CHUNKS, (400, 501)),
    Row("H1-03", "folded", head(b"Transfer-Encoding:\r\n chunked\r\n") + CHUNKS),
    Row("H1-04", "the same length twice", head(LENGTH, LENGTH) + BODY),
    Row("H1-04", "two lengths", head(b"Content-Length: 5\r\n", b"Content-Length: 6\r\n") + b"hello!"),
    Row("H1-04", "list of equal lengths", head(b"Content-Length: 5, 5\r\n") + b"hello"),
    Row("H1-04", "list of lengths", head(b"Content-Length: 5, 6\r\n") + b"hello!"),
    *[Row("H1-05", f"length {value!r}", cl(value)) for value in (
        b" +5", b" -1", b" 0x5", b" 5\x0b", b" 5;", b"", b" ", b" 5e1", b" 5.0", b" 00000000000000000000005", b" 9223372036854775808",
        b" 18446744073709551616", b" 18446744073709551621", b" 99999999999999999999", b" five", b" 5 5", b" \xb2")],
    Row("H1-06", "TE in HTTP/1.0", head(CHUNKED, b"Connection: keep-alive\r\n", line=b"POST /v1/chat/completions HTTP/1.0\r\n") + CHUNKS),
    *[Row("H1-07", f"chunk size {line!r}", sized(line + b"\r\n")) for line in (
        b"00000000000000005", b"0x5", b"+5", b"-5", b" 5", b"", b"10000000000000000", b"ffffffffffffffff", b"fffffffffffffffff", b"5 x", b"g",
        b"5,5", b"5\t;a", b"\xb25")],
    Row("H1-08", "a chunk extension of 1 MB", sized(b"5;" + b"a" * 1048576 + b"\r\n")),
    Row("H1-08", "extensions of 8 KB in all on one-byte chunks", head(CHUNKED) + b"".join(b"1;aaaaaaaaaaaaaaaa\r\n%c\r\n" % c for c in b"x" * 512) + b"0\r\n\r\n"),
    *[Row("H1-09", f"{what}", head(CHUNKED) + raw) for what, raw in (
        ("bare LF ends the size line", b"5\nhello\r\n0\r\n\r\n"),
        ("bare CR ends the size line", b"5\rhello\r\n0\r\n\r\n"),
        ("CR CR LF ends the size line", b"5\r\r\nhello\r\n0\r\n\r\n"),
        ("bare LF inside an extension", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
        ("bare CR inside an extension", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
        ("bare LF after the data", b"5\r\nhello\n0\r\n\r\n"),
        ("bare CR after the data", b"5\r\nhello\r0\r\n\r\n"),
        ("two other bytes after the data", b"5\r\nhelloXX0\r\n\r\n"),
        ("data longer than its size", b"5\r\nhello world\r\n0\r\n\r\n"),
        ("bare LF after the last chunk", b"5\r\nhello\r\n0\n\n"),
        ("bare LF ends the trailers", b"5\r\nhello\r\n0\r\nx-a: b\n\r\n"),
        ("bare LF is the last line", b"5\r\nhello\r\n0\r\n\n"),
        ("a folded trailer", b"5\r\nhello\r\n0\r\nx-a: b\r\n c\r\n\r\n"),
    )],
]

SYNTAX = [
    Row("H1-10", "bare LF after the request line", b"GET /v1/models HTTP/1.1\nHost: sluice.test\r\n\r\n"),
    Row("H1-10", "bare LF after a field", b"GET /v1/models HTTP/1.1\r\nHost: sluice.test\n\r\n"),
    Row("H1-10", "bare LF for the empty line", b"GET /v1/models HTTP/1.1\r\nHost: sluice.test\r\n\n"),
    Row("H1-10", "bare CR in a value", b"GET /v1/models HTTP/1.1\r\nHost: sluice.test\r\nx-a: b\rc\r\n\r\n"),
    Row("H1-10", "bare CR before the end", b"GET /v1/models HTTP/1.1\r\nHost: sluice.test\r\n\rX"),
    Row("H1-11", "a folded value", b"GET /v1/models HTTP/1.1\r\nHost: sluice.test\r\nx-a: b\r\n c\r\n\r\n"),
    Row("H1-11", "a value folded with a tab", b"GET /v1/models HTTP/1.1\r\nHost: sluice.test\r\nx-a: b\r\n\tc\r\n\r\n"),
    Row("H1-11", "a folded length", head(b"Content-Length:\r\n %d\r\n" % len(BODY)) + BODY),
    Row("H1-11", "space before the first field", b"GET /v1/models HTTP/1.1\r\n Host: sluice.test\r\n\r\n"),
    *[Row("H1-12", f"field {field!r}", b"GET /v1/models HTTP/1.1\r\n" + HOST + field + b"\r\n\r\n") for field in (
        b"x\x00a: b", b"x\x01a: b", b"x\x7fa: b", b"x\xe9a: b", b"x a: b", b"x-a : b", b": b", b"no colon", b"x(a): b", b"x@a: b",
        b"x-a: b\x00c", b"x-a: b\x01c", b"x-a: b\x1bc", b"x-a: b\x7fc")],
    *[Row("H1-13", f"request line {line!r}", line + b"\r\n" + HOST + b"\r\n", status) for line, status in (
        (b"GET\t/v1/models HTTP/1.1", (400,)), (b"GET  /v1/models HTTP/1.1", (400,)), (b"GET /v1/models  HTTP/1.1", (400,)),
        (b"GET /v1/models HTTP/1.1 ", (400, 505)), (b"GET /v1/mo dels HTTP/1.1", (400,)), (b"G\x01T /v1/models HTTP/1.1", (400, ())),
        (b"GET /v1/mod\x01els HTTP/1.1", (400,)), (b"GET /v1/models HTTP/1.2", (400, 505)), (b"GET /v1/models HTTP/2.0", (400, 505)),
        (b"GET /v1/models HTTP/1.10", (400, 505)), (b"GET /v1/models HTTP/01.1", (400, 505)))],
    *[Row("H1-13", f"first line {line!r}", line + b"\r\n" + HOST + b"\r\n", ()) for line in (
        b"GET /v1/models http/1.1", b"GET /v1/models", b"SSH-2.0-OpenSSH_9.2", b"GET /v1/models FTP/1.1", b"\x16\x03\x01\x00\x05hello")],
    Row("H1-13", "a flood of empty lines", b"\r\n" * 5000 + b"GET /v1/models HTTP/1.1\r\n" + HOST + b"\r\n", (400, ())),
    Row("H1-13", "a method of 1 MB", b"G" * 1048576 + b" /v1/models HTTP/1.1\r\n" + HOST + b"\r\n", (400, 414, 431, 501, ())),
    *[Row("H1-14", f"target {target[:40]!r}", b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n") for target in (
        b"sluice.test:80", b"*", b"/v1/models#x", b"/v1/mod\xc3\xa9ls", b"/v1/%00", b"//v1/models", b"/v1//models", b"/v1/../v1/models",
        b"/v1/%2e%2e/v1/models", b"/v1/%2E./models", b"/v1/./models", b"/v1\\models", b"/v1/%zz", b"/v1/%2", b"v1/models",
        b"http://other.test:99999/v1/models", b"http://user@sluice.test/v1/models", b"ftp://sluice.test/v1/models", b"http:///v1/models")],
    Row("H1-14", "a target of 64 KB", b"GET /v1/" + b"a" * 65536 + b" HTTP/1.1\r\n" + HOST + b"\r\n", (414, 431)),
    Row("H1-15", "no Host", b"GET /v1/models HTTP/1.1\r\n\r\n"),
    Row("H1-15", "two Hosts", b"GET /v1/models HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n"),
    Row("H1-15", "the same Host twice", b"GET /v1/models HTTP/1.1\r\n" + HOST + HOST + b"\r\n"),
    *[Row("H1-15", f"Host {host!r}", b"GET /v1/models HTTP/1.1\r\nHost: " + host + b"\r\n\r\n") for host in (
        b"", b"a.test, b.test", b"user@a.test", b"a.test/path", b"a.test:99999", b"a.test:", b"a.test:x", b"a\x01.test", b"a b.test", b"[::1",
        b"a.test:80:80", b"?", b"a.test#b")],
    *[Row("H1-17", f"Expect {value!r}", head(b"Expect: " + value + b"\r\n", LENGTH), (417,)) for value in (
        b"y 100-continue", b"100-continue, 100-continue", b"200-ok", b"")],
    Row("H1-17", "Expect twice", head(b"Expect: 100-continue\r\nExpect: 100-continue\r\n", LENGTH), (400, 417)),
    *[Row("H1-21", f"Connection nominates {name!r}", head(b"Connection: close, " + name + b"\r\n", LENGTH) + BODY) for name in (
        b"Content-Length", b"Host", b"Transfer-Encoding", b"X-Forwarded-For", b"Authorization")],
    Row("H1-22", "CONNECT", b"CONNECT sluice.test:443 HTTP/1.1\r\n" + HOST + b"\r\n", (400, 405, 501)),
    Row("H1-22", "TRACE", b"TRACE /v1/models HTTP/1.1\r\n" + HOST + b"\r\n", (405, 501)),
]


class Refused(Scenario):
    """Tables of bytes that must get an answer, an end, and no further."""

    def assert_refused(self, gateway, recorder, row):
        client = self.client(gateway)
        client.send(row.raw)
        got = client.read_answer()
        statuses = row.status if isinstance(row.status, tuple) else (row.status,)
        if got is None:
            self.assertTrue(statuses == () or () in statuses, "closed without an answer")
        else:
            self.assertIn(got.status, statuses, got)
            self.assertEqual((got.get("connection") or "").lower(), "close", got)
            self.assert_openai_error(got, got.status)
        self.assertTrue(client.is_closed_within(3), "the connection was left open")
        self.assertEqual(client.rest, b"", "more than one answer")
        self.assertEqual(recorder.received(), b"", "bytes reached the endpoint")
        client.close()

    def run_table(self, rows):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        for row in rows:
            with self.subTest(id=row.id, what=row.what):
                self.assert_refused(gateway, recorder, row)
        self.assertGreater(gateway.metrics().total("sluice_requests_refused_total"), 0)
        self.assert_serves(gateway)

    def test_framing_that_can_be_read_in_two_ways_is_refused(self):
        self.run_table(FRAMING)

    def test_heads_off_the_grammar_are_refused(self):
        self.run_table(SYNTAX)

    def test_refusals_do_not_depend_on_how_the_bytes_are_cut(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        rows = [row for row in FRAMING + SYNTAX if len(row.raw) < 400][::4]
        for row in rows:
            with self.subTest(id=row.id, what=row.what):
                client = self.client(gateway)
                client.send(row.raw, piece=7, gap_s=0.0005)
                got = client.read_answer()
                self.assertIn(got.status if got else (), tuple(row.status) or ((),))
                self.assertTrue(client.is_closed_within(3))
                self.assertEqual(recorder.received(), b"")
                client.close()


class Forwarded(Scenario):
    """What is let through arrives re-serialised: one framing field, ours, and one request a request."""

    def sent(self, raw, recorder=None, status=200):
        recorder = recorder or self.recorder()
        gateway = self.in_front_of(recorder)
        client = self.client(gateway)
        client.send(raw)
        got = client.read_answer()
        self.assertEqual(got.status, status, got)
        return recorder.wait_requests(1)[0], got

    def assert_framed_once(self, request):
        lengths, codings = request.all("content-length"), request.all("transfer-encoding")
        self.assertEqual(len(lengths) + len(codings), 1, request.head)
        if lengths:
            self.assertEqual(int(lengths[0]), len(request.body))
        else:
            self.assertEqual(codings, ["chunked"])

    def test_chunked_in_any_case_and_with_optional_space_is_one_request(self):
        for value in (b"chunked", b"Chunked", b"CHUNKED", b"  chunked  "):
            with self.subTest(value=value):
                request, _ = self.sent(head(b"Transfer-Encoding:" + value + b"\r\n") + CHUNKS)
                self.assertEqual(request.body, BODY)
                self.assert_framed_once(request)

    def test_chunk_extensions_within_the_limit_are_not_forwarded(self):
        raw = head(CHUNKED) + b"%x;name=value\r\n%s\r\n0;last\r\n\r\n" % (len(BODY), BODY)
        recorder = self.recorder()
        request, _ = self.sent(raw, recorder)
        self.assertEqual(request.body, BODY)
        self.assertNotIn(b"name=value", recorder.received())

    def test_an_underscored_framing_name_frames_nothing(self):
        """`Transfer_Encoding` is no framing field; G-05 drops it or refuses the request."""
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        client = self.client(gateway)
        client.send(head(b"Transfer_Encoding: chunked\r\n", LENGTH) + BODY)
        got = client.read_answer()
        self.assertIn(got.status, (200, 400))
        self.assertNotIn(b"ransfer_", recorder.received())

    def test_leading_zeros_and_nineteen_digits_are_a_length(self):
        request, _ = self.sent(head(b"Content-Length: %019d\r\n" % len(BODY)) + BODY)
        self.assertEqual(request.all("content-length"), [str(len(BODY))])

    def test_one_empty_line_before_a_request_is_forgiven(self):
        request, _ = self.sent(b"\r\n" + chat())
        self.assertEqual(request.body, BODY)

    def test_obs_text_in_a_value_may_pass(self):
        request, _ = self.sent(post(BODY, fields=b"x-note: caf\xc3\xa9\r\n"))
        self.assertEqual(request.get("x-note").encode("latin-1"), b"caf\xc3\xa9")

    def test_an_absolute_target_replaces_host(self):
        raw = (b"POST http://named.test/v1/chat/completions HTTP/1.1\r\nHost: other.test\r\n" + JSON + LENGTH + b"\r\n" + BODY)
        request, _ = self.sent(raw)
        self.assertEqual(request.target, "/v1/chat/completions")
        self.assertEqual(len(request.all("host")), 1)
        self.assertNotIn("other.test", request.get("host"))

    def test_the_same_normalised_path_is_matched_and_forwarded(self):
        request, _ = self.sent(post(BODY, path=b"/v1/%63hat/completion%73?x=%7e&y=/../z"))
        self.assertEqual(request.target, "/v1/chat/completions?x=%7e&y=/../z")

    def test_bodies_are_framed_by_the_same_rules_whatever_the_method(self):
        """0.CL and CL.0 come from treating GET as if it had no body."""
        for method in (b"GET", b"DELETE"):
            with self.subTest(method=method):
                recorder = self.recorder()
                gateway = self.in_front_of(recorder)
                client = self.client(gateway)
                smuggled = b"GET /v1/smuggled HTTP/1.1\r\nHost: sluice.test\r\n\r\n"
                client.send(method + b" /v1/models HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(smuggled) + smuggled)
                client.send(b"GET /v1/models HTTP/1.1\r\n" + HOST + b"\r\n")
                first = client.read_answer()
                self.assertIsNotNone(first)
                second = client.read_answer() if (first.get("connection") or "") != "close" else None
                self.assertNotIn(b"GET /v1/smuggled", bytes(b"\n".join(r.head for r in recorder.requests)))
                if second:
                    self.assertTrue(client.rest == b"", "three answers to two requests")

    def test_a_post_with_neither_length_nor_chunks_has_no_body(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        client = self.client(gateway)
        client.send(head() + SMUGGLED)
        first = client.read_answer()
        self.assertEqual(first.status, 400, "an empty body is no JSON")
        self.assertNotIn(b"POST", recorder.received())  # what follows is the next request, and may be there by now

    def test_we_answer_100_continue_ourselves_and_only_then_ask_for_the_body(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        client = self.client(gateway)
        client.send(head(b"Expect: 100-continue\r\n", LENGTH))
        self.assertEqual(client.read_head(skip_interim=False)[0], 100)
        client.send(BODY)
        self.assertEqual(client.read_answer().status, 200)
        self.assertIsNone(recorder.requests[0].get("expect"))

    def test_expect_with_the_body_already_sent_is_one_request(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        client = self.client(gateway)
        client.send(head(b"Expect: 100-continue\r\n", LENGTH) + BODY + chat(text="second"))
        self.assertEqual(client.read_answer().status, 200)
        self.assertEqual(client.read_answer().status, 200)
        self.assertEqual([b"hello" in r.body for r in recorder.wait_requests(2)], [True, False])

    def test_an_early_answer_never_lets_the_rest_of_the_body_be_a_request(self):
        """H1-18, with a model that is streamed through unread."""
        recorder = self.recorder(lambda c: (c.read_until(b"\r\n\r\n", 0), c.send(answer(b"{}", b"413 Too Large")), c.wait_end()))
        gateway = self.in_front_of(recorder, models=[config.model("*", "main", inspect=False)])
        client = self.client(gateway)
        client.send(head(b"Content-Length: 4000000\r\n") + b"a" * 300000)
        got = client.read_answer()
        self.assertEqual(got.status, 413, got)
        client.send(SMUGGLED * 3)
        client.is_closed_within(5)
        self.assertNotIn(b"HTTP/1.1 200", client.rest)
        first = recorder.wait_connection()
        until("the endpoint's connection is not reused", lambda: first.closed_at, self.slower(5))
        self.assertEqual(recorder.received().count(b"HTTP/1.1\r\n"), 1)

    def test_pipelined_requests_are_answered_in_order(self):
        def script(connection):
            while True:
                request = connection.read_request()
                if not request or not connection.send(answer(request.body)):
                    return
        recorder = self.recorder(script)
        gateway = self.in_front_of(recorder)
        client = self.client(gateway)
        client.send(b"".join(chat(text=f"number {n}") for n in range(50)))
        for n in range(50):
            self.assertIn(b"number %d\"" % n, client.read_answer().body)

    def test_ten_thousand_pipelined_requests_are_not_parsed_ahead(self):
        recorder = self.recorder(lambda c: (c.read_request(), c.wait_end()))
        gateway = self.in_front_of(recorder)
        rss = gateway.rss_kb()
        client = self.client(gateway)
        client.socket.settimeout(1)
        client.send(chat() * 10000)
        recorder.wait_requests(1)
        self.assertEqual(gateway.metrics().total("sluice_exchanges_started_total"), 1)
        self.assert_grown_by(gateway, rss, 20000)
        client.reset()

    def test_a_smuggled_looking_second_request_is_judged_by_the_same_rules(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        client = self.client(gateway)
        client.send(chat() + head(LENGTH, CHUNKED) + CHUNKS)
        self.assertEqual(client.read_answer().status, 200)
        self.assertEqual(client.read_answer().status, 400)
        self.assertTrue(client.is_closed_within(3))
        self.assertEqual(len(recorder.requests), 1)

    def test_framing_and_identity_fields_in_trailers_are_dropped(self):
        trailers = b"Content-Length: 7\r\nTransfer-Encoding: x\r\nHost: evil.test\r\nAuthorization: Bearer evil\r\nx-fine: 1\r\n"
        recorder = self.recorder()
        self.sent(head(CHUNKED) + chunk(BODY) + b"0\r\n" + trailers + b"\r\n", recorder)
        for word in (b"evil", b"Content-Length: 7"):
            self.assertNotIn(word, recorder.received())

    def test_a_megabyte_of_trailers_meets_the_head_limit(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        client = self.client(gateway)
        client.send(head(CHUNKED) + chunk(BODY) + b"0\r\n" + b"x-a: %s\r\n" % (b"b" * 1000) * 1000 + b"\r\n")
        got = client.read_answer()
        self.assertIn(got.status, (400, 431))
        self.assertTrue(client.is_closed_within(3))
        self.assertEqual(recorder.received(), b"")

    def test_hop_by_hop_fields_and_what_connection_nominates_are_removed(self):
        fields = (b"Connection: x-real-auth, keep-alive\r\nx-real-auth: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n"
                  b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nTE: trailers\r\nProxy-Authorization: x\r\n")
        request, _ = self.sent(post(BODY, fields=fields))
        for name in ("x-real-auth", "keep-alive", "proxy-connection", "upgrade", "http2-settings", "te", "proxy-authorization"):
            self.assertEqual(request.all(name), [], name)

    def test_upgrades_open_no_tunnel(self):
        for kind in (b"h2c", b"websocket"):
            with self.subTest(kind=kind):
                _, got = self.sent(post(BODY, fields=b"Connection: upgrade\r\nUpgrade: " + kind + b"\r\n"))
                self.assertIsNone(got.get("upgrade"))

    def test_options_star_and_unknown_methods_reach_no_endpoint(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        for line in (b"OPTIONS * HTTP/1.1", b"BREW /v1/models HTTP/1.1", b"PROPFIND /v1/chat/completions HTTP/1.1"):
            with self.subTest(line=line):
                client = self.client(gateway)
                client.send(line + b"\r\n" + HOST + b"\r\n")
                self.assertIn(client.read_answer().status, (200, 204, 400, 404, 405, 501))
                self.assertEqual(recorder.received(), b"")


class Answers(Scenario):
    """What endpoints may not do to a client (H1-23, H1-24)."""

    MALFORMED = [
        ("CL and TE", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("a bad length", b"HTTP/1.1 200 OK\r\ncontent-length: 5x\r\n\r\nhello"),
        ("two lengths", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!"),
        ("101", b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
        ("NUL in a value", b"HTTP/1.1 200 OK\r\nx-a: b\x00c\r\ncontent-length: 0\r\n\r\n"),
        ("LF line ends", b"HTTP/1.1 200 OK\ncontent-length: 0\n\n"),
        ("a flood of 1xx", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 200 + answer()),
        ("not HTTP", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        ("a head of 1 MB", b"HTTP/1.1 200 OK\r\n" + b"x-a: %s\r\n" % (b"b" * 1000) * 1000 + b"\r\n"),
        ("no answer at all", b""),
        ("half a head", b"HTTP/1.1 200 OK\r\ncontent-len"),
    ]

    def through(self, reply, close=True, **top):
        recorder = self.recorder(once(reply, close=close))
        gateway = self.in_front_of(recorder, pool={"retry": {"attempts": 1}}, **top)
        client = self.client(gateway)
        client.send(chat())
        return gateway, recorder, client

    def test_a_malformed_answer_is_a_502_and_its_connection_is_closed(self):
        for what, reply in self.MALFORMED:
            with self.subTest(what=what):
                _, recorder, client = self.through(reply, close=not reply or reply.endswith(b"len"))
                got = client.read_answer()
                self.assert_openai_error(got, 502)
                if recorder.connections[0].socket.fileno() >= 0:  # the endpoint did not close by itself
                    until("the endpoint's connection is closed", lambda: recorder.connections[0].closed_at, self.slower(5))

    def test_interim_answers_are_skipped(self):
        _, _, client = self.through(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + answer())
        got = client.read_answer()
        self.assertEqual((got.status, got.body), (200, OK_BODY))

    def test_truncation_reaches_the_client_as_truncation(self):
        event = b'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
        for what, reply in (
                ("inside a chunk", b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                 + chunk(event) + b"100\r\nhalf"),
                ("no last chunk", b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n" + chunk(b"hello" * 100)),
                ("less than its length", b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1000\r\n\r\nhello")):
            with self.subTest(what=what):
                _, _, client = self.through(reply)
                got = client.read_answer()
                self.assertTrue(got.status == 502 or not got.complete or b'"error"' in got.body, got)

    def test_an_answer_until_close_is_framed_for_the_client(self):
        _, _, client = self.through(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nhello")
        got = client.read_answer()
        self.assertEqual((got.status, got.body, got.complete), (200, b"hello", True))
        self.assertTrue(got.get("transfer-encoding") == "chunked" or got.get("content-length") == "5", got)

    def test_bodies_where_none_may_be_are_not_taken_for_the_next_answer(self):
        for status in (b"204 No Content", b"304 Not Modified"):
            with self.subTest(status=status):
                evil = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"
                replies = [b"HTTP/1.1 " + status + b"\r\n\r\n" + evil, answer()]

                def script(connection):
                    while connection.read_request():
                        connection.send(replies.pop(0))
                recorder = self.recorder(script)
                gateway = self.in_front_of(recorder)
                client = self.client(gateway)
                client.send(chat())
                self.assertEqual(client.read_answer().status, int(status[:3]))
                client.send(chat(text="again"))
                got = client.read_answer()
                self.assertEqual((got.status, got.body), (200, OK_BODY))
                self.assertEqual(len(recorder.connections), 2, "the connection with bytes too many was reused")

    def test_bytes_behind_an_answer_retire_the_connection(self):
        recorder = self.recorder(lambda c: (c.read_request(), c.send(answer() + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"), c.wait_end()))
        gateway = self.in_front_of(recorder)
        for _ in range(2):
            client = self.client(gateway)
            client.send(chat())
            self.assertEqual(client.read_answer().body, OK_BODY)
        self.assertEqual(len(recorder.connections), 2)

    def test_reflected_values_split_no_answer(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder, models=[config.model("sim", "main")])
        client = self.client(gateway)
        client.send(post(chat_body(model="no\r\nx-evil: 1\r\n\r\nHTTP/1.1 200 OK"), fields=b"x-request-id: a%0d%0ax-evil: 1\r\n"))
        got = client.read_answer()
        self.assertIn(got.status, (400, 404))
        self.assertIsNone(got.get("x-evil"))
        self.assertFalse(re.search(r"[\r\n]", got.get("x-request-id") or ""))
        self.assertEqual(client.rest, b"")

    def test_a_head_request_has_no_body_but_its_length(self):
        gateway = self.in_front_of(self.recorder())
        client = self.client(gateway)
        client.send(b"HEAD /v1/models HTTP/1.1\r\n" + HOST + b"\r\nGET /v1/models HTTP/1.1\r\n" + HOST + b"\r\n")
        first = client.read_answer(b"HEAD")
        second = client.read_answer()
        self.assertIsNotNone(second, first)
        self.assertIn(second.status, (200, 405))


if __name__ == "__main__":
    unittest.main()

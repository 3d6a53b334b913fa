"""HTTP/2 to HTTP/1.1 translation (D-01 to D-12): what must never become bytes on an HTTP/1.1 connection."""
import json
import unittest
from typing import NamedTuple

from lib import config, h2raw, hpack
from lib.h2raw import PROTOCOL_ERROR, head, headers
from lib.rawclient import chat_body
from lib.recorder import answer, always
from lib.scenario import Scenario
from lib.wait import until

BODY = chat_body()
JSON = ("content-type", "application/json")


class Row(NamedTuple):
    id: str
    what: str
    fields: list  # or raw HPACK bytes
    body: bytes = BODY  # None: END_STREAM on the head
    status: tuple = (400,)  # an answer instead of a reset that is as good


def with_field(name, value):
    return head(extra=[JSON, (name, value)])


def length_is(value):
    return head(extra=[JSON, ("content-length", value)])


ROWS = [
    *[Row("D-01", f"value {value!r}", with_field("x-a", value)) for value in
      (b"b\r\nx-evil: 1", b"b\nx-evil: 1", b"b\rx", b"b\x00c", b"\r\n\r\nGET /v1/smuggled HTTP/1.1\r\nhost: a\r\n\r\n")],
    *[Row("D-01", f"name {name!r}", with_field(name, b"b")) for name in (b"x\r\nevil", b"x\n", b"x\x00a", b"x-a: b\r\nevil")],
    *[Row("D-01", f":path {path!r}", head(path=path, extra=[JSON])) for path in
      (b"/v1/models HTTP/1.1\r\nhost: a\r\n\r\n", b"/v1/mod\nels", b"/v1/\x00")],
    *[Row("D-01", f":method {method!r}", head(method=method)) for method in (b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET", b"G\nT", b"G\x00T")],
    *[Row("D-01", f":authority {authority!r}", head(authority=authority)) for authority in (b"a.test\r\nx: y", b"a\x00.test")],
    *[Row("D-01", f":scheme {scheme!r}", head(scheme=scheme)) for scheme in (b"http\r\nx: y", b"http\x00", b"http://a/")],
    *[Row("D-02", f":path {path!r}", head(path=path, extra=[JSON])) for path in
      (b"/v1/chat completions", b"v1/chat/completions", b"", b"http://a.test/v1/models", b"*", b"/v1/models#x", b"//v1/models", b"/v1/../models",
       b"/v1/%2e%2e/models", b"/v1/%zz", b"/v1\\models", "/v1/modèls".encode())],
    *[Row("D-02", f":method {method!r}", head(method=method, extra=[JSON])) for method in (b"GET /", b"", b"G(T", b"G T")],
    *[Row("D-03", f"content-length {value} for {len(BODY)} bytes", length_is(value)) for value in
      (str(len(BODY) - 1), str(len(BODY) + 1), "0", "-1", "+5", "5x", "")],
    Row("D-03", "content-length twice", head(extra=[JSON, ("content-length", str(len(BODY)))] * 2)),
    Row("D-03", "content-length on a head that ends the stream", length_is("5"), None),
    *[Row("D-04", f"{name}: {value}", with_field(name, value)) for name, value in
      (("transfer-encoding", "chunked"), ("connection", "close"), ("keep-alive", "timeout=5"), ("upgrade", "h2c"),
       ("proxy-connection", "keep-alive"), ("te", "gzip"), ("te", "trailers, gzip"))],
    Row("D-05", "host and :authority differ", head(extra=[JSON, ("host", "other.test")])),
    Row("D-05", "neither host nor :authority", head(authority=None, extra=[JSON])),
    Row("D-05", "two hosts", head(authority=None, extra=[JSON, ("host", "a.test"), ("host", "b.test")])),
    *[Row("D-05", f":authority {authority!r}", head(authority=authority, extra=[JSON])) for authority in
      ("user@sluice.test", "sluice.test/path", "sluice.test:99999", "a.test,b.test", "")],
    *[Row("D-06", f"{name} twice", [*head(), (name, value), JSON]) for name, value in
      ((":path", "/v1/models"), (":method", "GET"), (":scheme", "http"), (":authority", "b.test"))],
    Row("D-06", "an unknown pseudo-field", [*head(), (":evil", "1"), JSON]),
    Row("D-06", ":status in a request", [*head(), (":status", "200"), JSON]),
    Row("D-06", "a pseudo-field after a regular one", [("x-a", "b"), *head(), JSON]),
    *[Row("D-06", f"{name} is missing", [field for field in head(extra=[JSON]) if field[0] != name]) for name in (":path", ":method", ":scheme")],
    *[Row("D-07", f"name {name!r}", with_field(name, "b")) for name in ("X-Upper", "", "x:a", "x a", "x-\xe9", "x(a)")],
    Row("D-12", "extended CONNECT", [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/v1/realtime"),
                                     (":authority", "sluice.test")], None),
    Row("D-12", "plain CONNECT", [(":method", "CONNECT"), (":authority", "sluice.test:443")], None, (400, 405, 501)),
]


class Refused(Scenario):
    def assert_refused(self, gateway, recorder, row):
        link = self.h2(gateway)
        block = row.fields if isinstance(row.fields, bytes) else hpack.encode(row.fields)
        link.send(headers(1, block, end_stream=row.body is None) + (h2raw.data(1, row.body) if row.body is not None else b""))
        stream = link.wait(1)
        refused = stream.reset == PROTOCOL_ERROR or stream.status in row.status or link.goaway == PROTOCOL_ERROR
        self.assertTrue(refused, f"{stream} goaway={link.goaway} ended={link.ended}")
        if stream.status:
            self.assertEqual(set(stream.json()["error"]), {"message", "type", "param", "code"})
        self.assertEqual(recorder.received(), b"", "bytes reached the endpoint")
        if link.goaway is None and not link.ended:
            self.assertTrue(link.ping(), "a stream's error took the connection with it")
        link.close()

    def test_heads_that_http1_would_read_differently_are_refused(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        for row in ROWS:
            with self.subTest(id=row.id, what=row.what):
                self.assert_refused(gateway, recorder, row)
        self.assert_serves(gateway)

    def test_pseudo_fields_in_trailers_are_refused(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        link = self.h2(gateway)
        link.send(headers(1, head(extra=[JSON])) + h2raw.data(1, BODY, end_stream=False) + headers(1, [(":path", "/x")], end_stream=True))
        stream = link.wait(1)
        self.assertTrue(stream.reset == PROTOCOL_ERROR or link.goaway == PROTOCOL_ERROR, stream)
        self.assertEqual(recorder.received(), b"")


class Forwarded(Scenario):
    def ask(self, fields=(), body=BODY, **more):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        stream = self.h2(gateway).ask(1, body, extra=fields, **more)
        self.assertEqual(stream.status, 200, stream)
        return recorder.wait_requests(1)[0], recorder

    def test_one_stream_is_one_request_with_one_framing(self):
        """D-10: the endpoint sees exactly one request line a stream."""
        smuggled = b"GET /v1/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        body = json.dumps({"model": "sim", "messages": [{"role": "user", "content": smuggled.decode()}]}).encode() + b"  \r\n"
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        link = self.h2(gateway)
        for number in range(1, 40, 2):
            self.assertEqual(link.ask(number, body).status, 200)
        self.assertEqual(len(recorder.requests), 20)
        self.assertEqual(recorder.received().count(b"POST /v1/chat/completions HTTP/1.1\r\n"), 20)
        for request in recorder.requests:
            self.assertEqual(len(request.all("content-length")) + len(request.all("transfer-encoding")), 1)
            self.assertEqual(request.body, body)

    def test_the_forwarded_host_is_the_authority_once(self):
        for fields, more in (((), {}), ((("host", "sluice.test"),), {}), ((("host", "sluice.test"),), {"authority": None})):
            with self.subTest(fields=fields, **more):
                request, _ = self.ask(fields, **more)
                self.assertEqual(len(request.all("host")), 1)

    def test_te_trailers_is_legal_and_goes_no_further(self):
        request, _ = self.ask([("te", "trailers")])
        self.assertEqual(request.all("te"), [])

    def test_cookie_crumbs_are_joined(self):
        request, _ = self.ask([("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")])
        self.assertEqual(request.all("cookie"), ["a=1; b=2; c=3"])

    def test_cookie_crumbs_count_one_by_one(self):
        """D-09, H2-05: a thousand crumbs of one byte are a thousand fields."""
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        link = self.h2(gateway)
        stream = link.ask(1, BODY, extra=[("cookie", "a")] * 1000)
        self.assertTrue(stream.status == 431 or stream.reset is not None or link.goaway is not None, stream)
        self.assertEqual(recorder.received(), b"")

    def test_spaces_around_a_value_are_trimmed_or_refused(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        stream = self.h2(gateway).ask(1, BODY, extra=[("x-a", "  b  ")])
        if stream.status == 200:
            self.assertEqual(recorder.requests[0].get("x-a"), "b")
        else:
            self.assertEqual(recorder.received(), b"")

    def test_a_body_without_length_is_chunked_or_measured_never_neither(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder, models=[config.model("*", "main", inspect=False)])
        link = self.h2(gateway)
        link.send(headers(1, head(extra=[JSON])))
        for at in range(0, len(BODY), 10):
            link.send(h2raw.data(1, BODY[at:at + 10], end_stream=at + 10 >= len(BODY)))
        self.assertEqual(link.wait(1).status, 200)
        self.assertEqual(recorder.requests[0].body, BODY)

    def test_a_reset_in_the_middle_of_a_body_cuts_the_endpoints_connection(self):
        """D-08, D-03: the endpoint can tell that the request was cut; the connection is not used again."""
        recorder = self.recorder()
        gateway = self.in_front_of(recorder, models=[config.model("*", "main", inspect=False)])
        for what, ending in (("reset", h2raw.rst(1)), ("too short", h2raw.data(1, b"", end_stream=True))):
            with self.subTest(what=what):
                seen = len(recorder.connections)
                link = self.h2(gateway)
                link.ping()  # its window is known and acknowledged
                link.send(headers(1, head(extra=[JSON, ("content-length", "200000")]))
                          + h2raw.data(1, b"a" * 16000, end_stream=False) * 5)  # more than is waited for before it is passed on
                connection = recorder.wait_connection(seen)
                until("the endpoint got the first part", lambda: b"aaaa" in connection.received)
                link.send(ending)
                until("the endpoint's connection is closed", lambda: connection.closed_at, self.slower(5))
                self.assertLess(len(connection.received), 85000)

    def test_trailers_do_not_become_fields(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        link = self.h2(gateway)
        link.send(headers(1, head(extra=[JSON])) + h2raw.data(1, BODY, end_stream=False)
                  + headers(1, [("authorization", "Bearer evil"), ("x-fine", "1")], end_stream=True))
        self.assertEqual(link.wait(1).status, 200)
        self.assertNotIn(b"evil", recorder.received())

    def test_another_authority_is_routed_by_the_same_rule_as_on_a_fresh_connection(self):
        """D-11: nothing is remembered from the first request of a connection."""
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        link = self.h2(gateway)
        shared = [link.ask(number, BODY, authority=name).status for number, name in ((1, "a.test"), (3, "b.test"))]
        fresh = [self.h2(gateway).ask(1, BODY, authority=name).status for name in ("a.test", "b.test")]
        self.assertEqual(shared, fresh)

    def test_answers_lose_their_hop_by_hop_fields(self):
        """RFC 9113, 8.2.2: what an HTTP/1.1 endpoint says about its connection is malformed in HTTP/2."""
        fields = (b"connection: keep-alive, x-nominated\r\nkeep-alive: timeout=5\r\nx-nominated: 1\r\nproxy-connection: x\r\n"
                  b"upgrade: h2c\r\nX-Upper: kept\r\ncontent-type: application/json\r\n")
        recorder = self.recorder(always(answer(fields=fields)))
        gateway = self.in_front_of(recorder)
        stream = self.h2(gateway).ask(1, BODY)
        names = [name for name, _ in stream.fields]
        self.assertEqual(stream.status, 200)
        self.assertEqual([n for n in names if n in ("connection", "keep-alive", "x-nominated", "proxy-connection", "upgrade")], [])
        self.assertEqual(stream.get("x-upper"), "kept")
        self.assertEqual([n for n in names if n != n.lower()], [])


if __name__ == "__main__":
    unittest.main()

"""JSON and content (J-01 to J-06, J-08 to J-10, J-12): what is read is read strictly, what is not read is said so.

J-01, J-04, J-06 and J-11 with a tokenizer behind them are in test_prompt_tokens.py."""
import gzip
import json
import unittest

from lib import config
from lib.harness import now
from lib.rawclient import HOST, chat, chat_body, post
from lib.recorder import DONE_EVENT, LAST_CHUNK, always, answer, chunk, event, once
from lib.scenario import Scenario
from lib.wait import until

MESSAGES = b'"messages":[{"role":"user","content":"x"}]'


def body(raw):
    """A body with these members besides a model and messages."""
    return b'{"model":"sim",' + MESSAGES + (b"," + raw if raw else b"") + b"}"


REFUSED = [
    ("J-01", "depth 100,000 of arrays", body(b'"x":' + b"[" * 100000 + b"]" * 100000)),
    ("J-01", "depth 100,000 in messages", b'{"model":"sim","messages":' + b"[" * 100000),
    ("J-01", "depth 100,000 in tools", body(b'"tools":' + b'{"a":' * 100000 + b"1" + b"}" * 100000)),
    *[("J-02", f"number {n!r}", body(b'"seed":' + n)) for n in
      (b"NaN", b"Infinity", b"-Infinity", b"0x10", b"01", b"+1", b".5", b"1.", b"1e", b"1e+", b"-", b"--1")],
    ("J-02", "an integer of 4,301 digits", body(b'"seed":' + b"9" * 4301)),
    *[("J-02", f"max_tokens {n!r}", body(b'"max_tokens":' + n)) for n in (b"9e99", b"-1", b'"ten"', b"1.5", b"99999999999999999999")],
    ("J-03", "two models", b'{"model":"sim","model":"other",' + MESSAGES + b"}"),
    ("J-03", "two models, one escaped", b'{"model":"sim","mod\\u0065l":"other",' + MESSAGES + b"}"),
    ("J-03", "two streams", body(b'"stream":false,"stream":true')),
    ("J-03", "a case variant of the model", body(b'"Model":"other"')),
    ("J-03", "two max_tokens", body(b'"max_tokens":1,"max_tokens":100000')),
    ("J-04", "bad UTF-8", body(b'"user":"\xff\xfe"')),
    ("J-04", "an overlong form", body(b'"user":"\xc0\xaf"')),
    ("J-04", "a surrogate in UTF-8", body(b'"user":"\xed\xa0\x80"')),
    ("J-04", "NUL in the model", b'{"model":"si\\u0000m",' + MESSAGES + b"}"),
    ("J-04", "a control character in a string", body(b'"user":"a\nb"')),
    ("J-04", "BOM", b"\xef\xbb\xbf" + body(b"")),
    ("J-04", "UTF-16", body(b"").decode().encode("utf-16")),
    ("J-04", "a model of 1 MB", b'{"model":"' + b"m" * 1048576 + b'",' + MESSAGES + b"}"),
    ("J-04", "a model with a newline", b'{"model":"a\\nb",' + MESSAGES + b"}"),
    ("J-04", "a model that is no text", b'{"model":["sim"],' + MESSAGES + b"}"),
    ("J-05", "trailing data", body(b"") + b"x"),
    ("J-05", "two documents", body(b"") + body(b"")),
    ("J-05", "a comment", body(b'/* x */"a":1')),
    ("J-05", "a trailing comma", body(b'"a":1,')),
    ("J-05", "single quotes", b"{'model':'sim'}"),
    ("J-05", "an array", b'[{"model":"sim"}]'),
    ("J-05", "nothing", b""),
    ("J-05", "half of it", body(b"")[:-3]),
]

PASSED = [
    ("J-02", "numbers that are valid JSON", body(b'"seed":1e400,"a":-0,"b":1E-400,"c":' + b"1" * 4300 + b',"d":0.' + b"1" * 10000)),
    ("J-03", "keys that route nothing may occur twice", body(b'"x":1,"x":2')),
    ("J-03", "a model deeper down", body(b'"metadata":{"model":"other"}')),
    ("J-04", "a lone surrogate escape outside the model", body(b'"user":"\\ud800"')),
    ("J-04", "an escape in a label of 3 MB", body(b'"user":"\\n' + b"u" * 3_000_000 + b'","cache_salt":"\\n"')),
    ("J-01", "depth 100", body(b'"x":' + b"[" * 100 + b"]" * 100)),
    ("J-11", "opaque fields", body(b'"guided_regex":"(a+)+$","response_format":{"type":"json_schema","json_schema":{}}')),
    ("J-05", "white space around everything", b" \t\r\n" + body(b"").replace(b":", b" : ") + b"\r\n "),
]


class Bodies(Scenario):
    def setUp(self):
        super().setUp()
        self.endpoint = self.recorder()
        self.proxy = self.in_front_of(self.endpoint)

    def send(self, raw, **more):
        client = self.client(self.proxy)
        client.send(post(raw, **more))
        got = client.read_answer()
        client.close()
        return got

    def test_bodies_off_the_grammar_are_400_and_go_nowhere(self):
        for row, what, raw in REFUSED:
            with self.subTest(id=row, what=what):
                self.assert_openai_error(self.send(raw), 400)
                self.assertEqual(self.endpoint.received(), b"")
        self.assert_serves(self.proxy)

    def test_valid_bodies_arrive_byte_for_byte(self):
        for row, what, raw in PASSED:
            with self.subTest(id=row, what=what):
                self.assertEqual(self.send(raw).status, 200)
                self.assertEqual(self.endpoint.requests[-1].body, raw)

    def test_large_bodies_take_linear_time(self):
        """J-06"""
        def seconds(raw):
            start = now()
            self.assertEqual(self.send(raw).status, 200)
            return now() - start
        for what, make in (("keys", lambda n: body(b",".join(b'"k%d":1' % k for k in range(n)))),
                           ("messages", lambda n: b'{"model":"sim","messages":[' + b",".join([b'{"role":"user","content":"x"}'] * n) + b"]}"),
                           ("one string", lambda n: body(b'"x":"' + b"y" * 30 * n + b'"'))):
            with self.subTest(what=what):
                small, large = make(40000), make(400000)
                seconds(small)
                self.assertLess(seconds(large), self.slower(3) + 30 * seconds(small))

    def test_the_error_names_the_parameter(self):
        self.assert_openai_error(self.send(b"{" + MESSAGES + b"}"), 400, param="model")
        self.assert_openai_error(self.send(b'{"model":"sim","model":"b",' + MESSAGES + b"}"), 400, param="model")
        self.assert_openai_error(self.send(body(b'"max_tokens":"ten"')), 400, param="max_tokens")


class Codings(Scenario):
    def test_coded_request_bodies_are_refused(self):
        """J-08: default 415; a bomb is never unpacked."""
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        rss = gateway.rss_kb()
        bomb = gzip.compress(b"\0" * (64 * 1024 * 1024))
        for what, coding, raw in (("a bomb", b"gzip", bomb), ("nested", b"gzip, gzip", gzip.compress(bomb)), ("truncated", b"gzip", bomb[:100]),
                                  ("br", b"br", b"\x0b\x02\x80"), ("unknown", b"rot13", b"x"), ("deflate", b"deflate", b"x")):
            with self.subTest(what=what):
                client = self.client(gateway)
                client.send(post(raw, fields=b"Content-Encoding: " + coding + b"\r\n"))
                self.assert_openai_error(client.read_answer(), 415)
        self.assertEqual(recorder.received(), b"")
        self.assert_grown_by(gateway, rss, 8192)

    def test_identity_is_no_coding(self):
        gateway = self.in_front_of(self.recorder())
        client = self.client(gateway)
        client.send(chat(fields=b"Content-Encoding: identity\r\n"))
        self.assertEqual(client.read_answer().status, 200)

    def test_compressed_answers_pass_unread_and_are_not_asked_for(self):
        """J-09"""
        packed = gzip.compress(b'{"usage":{"prompt_tokens":5,"completion_tokens":6}}')
        recorder = self.recorder(always(answer(packed, fields=b"content-type: application/json\r\ncontent-encoding: gzip\r\n")))
        gateway = self.in_front_of(recorder)
        client = self.client(gateway)
        client.send(chat(fields=b"Accept-Encoding: gzip, br\r\n"))
        got = client.read_answer()
        self.assertEqual(got.body, packed)
        self.assertEqual(got.get("content-encoding"), "gzip")
        self.assertNotIn("gzip", recorder.requests[0].get("accept-encoding") or "")

    def test_a_compressed_stream_passes_byte_for_byte(self):
        packed = gzip.compress(event("hello") * 10 + DONE_EVENT)
        recorder = self.recorder(once(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n"
                                      b"transfer-encoding: chunked\r\n\r\n" + chunk(packed) + LAST_CHUNK, close=False))
        gateway = self.in_front_of(recorder)
        client = self.client(gateway)
        client.send(chat(stream=True, stream_options={"include_usage": True}))
        got = client.read_answer()
        self.assertEqual(got.body, packed)
        self.assertTrue(got.complete)


class Media(Scenario):
    def test_other_media_types_are_415_or_routed_within_limits(self):
        """J-10"""
        recorder = self.recorder()
        gateway = self.in_front_of(recorder, models=[config.model("sim", "main")], listener={"limits": {"body": "1MB"}})
        for media, statuses in ((b"text/plain", (400, 415)), (b"application/x-www-form-urlencoded", (400, 415)), (b"application/xml", (400, 415)),
                                (b'application/json; charset="utf-16"', (400, 415)), (b"multipart/form-data", (400, 415)),
                                (b"application/json; charset=utf-8", (200,)), (b"APPLICATION/JSON", (200,))):
            with self.subTest(media=media):
                raw = chat_body()
                client = self.client(gateway)
                client.send(b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST + b"Content-Type: " + media
                            + b"\r\nContent-Length: %d\r\n\r\n" % len(raw) + raw)
                self.assertIn(client.read_answer().status, statuses)

    def test_two_content_types_are_refused(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        client = self.client(gateway)
        client.send(chat(fields=b"Content-Type: text/plain\r\n"))
        self.assertEqual(client.read_answer().status, 400)
        self.assertEqual(recorder.received(), b"")

    FORM = (b"--b0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\nContent-Type: audio/wav\r\n\r\n%s\r\n"
            b"--b0\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n%s\r\n--b0--\r\n")

    def upload(self, gateway, form, boundary=b"b0"):
        client = self.client(gateway)
        client.send(b"POST /v1/audio/transcriptions HTTP/1.1\r\n" + HOST + b"Content-Type: multipart/form-data; boundary=" + boundary
                    + b"\r\nContent-Length: %d\r\n\r\n" % len(form) + form)
        return client.read_answer()

    def test_multipart_uploads_are_routed_by_their_model_field(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder, models=[config.model("whisper", "main")])
        form = self.FORM % (b"RIFF\x00\xff\r\n--b1\r\n" + b"\x80" * 5000, b"whisper")
        self.assertEqual(self.upload(gateway, form).status, 200)
        self.assertEqual(recorder.requests[0].body, form)
        self.assertEqual(self.upload(gateway, self.FORM % (b"x", b"nobody")).status, 404)

    def test_broken_forms_are_refused(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder, models=[config.model("whisper", "main")])
        good = self.FORM % (b"x", b"whisper")
        for what, form, boundary in (("no model", b"--b0\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n--b0--\r\n", b"b0"),
                                     ("another boundary", good, b"b9"), ("no end", good[:-8], b"b0"),
                                     ("two models", good.replace(b"--b0--", b"--b0\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nb\r\n--b0--"), b"b0"),
                                     ("nothing", b"", b"b0")):
            with self.subTest(what=what):
                self.assert_openai_error(self.upload(gateway, form, boundary), 400)
        self.assertEqual(recorder.received(), b"")


class Names(Scenario):
    def test_names_in_the_log_are_escaped_and_labels_are_bounded(self):
        """J-12"""
        gateway = self.in_front_of(self.recorder(), models=[config.model("sim", "main")], listener={"trusted": True}, tenant_header="x-tenant")
        for tenant in (b"a\x1b[31m", b'a"b\\c', b"\xff\xfe", b"t" * 2000):
            client = self.client(gateway)
            client.send(chat(fields=b"x-tenant: " + tenant + b"\r\n"))
            client.read_answer()
        for n in range(1500):
            client = self.client(gateway)
            client.send(chat(model=f"made-up-{n}"))
            self.assertEqual(client.read_answer().status, 404)
            client.close()
        until("the lines are written", lambda: len(gateway.access_lines()) >= 1500)
        raw = (self.scratch / "access.log").read_bytes()
        self.assertNotIn(b"\x1b", raw)
        for line in raw.splitlines():
            json.loads(line.decode("utf-8"))
        series = gateway.metrics().series("sluice_requests_total")
        self.assertLess(len(series), 1100)
        self.assertNotIn("made-up-1499", gateway.metrics().text)


if __name__ == "__main__":
    unittest.main()

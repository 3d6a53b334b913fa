"""The foreign engine: that uvicorn is there and behaves as the other scenarios take for granted."""
import subprocess
import unittest

from lib.harness import PYTHON
from lib.rawclient import HOST, RawClient, chat_body, post
from lib.scenario import Scenario
from lib.wait import until


def has_uvicorn():
    return subprocess.run([PYTHON, "-c", "import uvicorn"], capture_output=True).returncode == 0


@unittest.skipUnless(has_uvicorn(), "python3-uvicorn is not installed")
class ForeignEngine(Scenario):
    def stats(self, engine):
        with RawClient(engine.port) as client:
            client.send(b"GET /debug/stats HTTP/1.1\r\n" + HOST + b"\r\n")
            return client.read_answer().json()

    def test_it_answers_whole_and_streamed_on_one_connection(self):
        engine = self.foreign("--model", "m")
        with RawClient(engine.port) as client:
            client.send(post(chat_body("m", max_tokens=3)))
            whole = client.read_answer().json()
            client.send(post(chat_body("m", max_tokens=3, stream=True, stream_options={"include_usage": True})))
            stream = client.read_answer()
        self.assertEqual(whole["usage"]["completion_tokens"], 3)
        self.assertEqual(stream.get("transfer-encoding"), "chunked")
        self.assertEqual(stream.body.count(b"data: "), 6)
        self.assertTrue(stream.body.endswith(b"data: [DONE]\n\n"))

    def test_wrong_requests_are_refused(self):
        engine = self.foreign()
        for body, status in ((chat_body("other"), 404), (b"{", 400), (b"{}", 400)):
            with RawClient(engine.port) as client:
                client.send(post(body))
                self.assertEqual(client.read_answer().status, status)

    def test_a_client_that_leaves_is_seen(self):
        engine = self.foreign("--interval-ms", "50")
        client = self.client(engine)
        client.send(post(chat_body(max_tokens=1000, stream=True)))
        client.read_head()
        client.close()
        until("it is aborted", lambda: self.stats(engine)["aborts"] == 1)
        self.assertEqual(self.stats(engine)["in_flight"], 0)

    def test_an_idle_connection_is_closed_after_five_seconds(self):
        with RawClient(self.foreign().port) as client:
            client.send(b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n")
            self.assertEqual(client.read_answer(b"GET").status, 200)
            self.assertFalse(client.is_closed_within(4))
            self.assertTrue(client.is_closed_within(3))


if __name__ == "__main__":
    unittest.main()

"""Gateways whose endpoints are gateways: in a row they work, in a circle a request ends at once."""
import json
import unittest

from lib import config, h2raw
from lib.rawclient import chat, chat_body, post
from lib.scenario import Scenario
from lib.wait import until


class Loops(Scenario):
    def circle(self, scheme="http"):
        """Two gateways, each the other's endpoint."""
        first, second = config.listener(), config.listener()
        return [self.gateway(config.gateway(config.pool("main", [f"{scheme}://{there['address']}"]), listeners=[here]))
                for here, there in ((first, second), (second, first))]

    def ask(self, gateway, raw):
        client = self.client(gateway)
        client.send(raw)
        got = client.read_answer()
        client.close()
        return got

    def assert_goes_round_once(self, first, second):
        until("all lines", lambda: len(first.access_lines()) == 2 and len(second.access_lines()) == 1, self.slower(5))
        self.assertEqual(sorted(line["reason"] for line in first.access_lines()), ["endpoint_status", "loop_detected"])
        self.assertEqual({line["status"] for line in first.access_lines() + second.access_lines()}, {508})

    def test_a_circle_ends_where_it_began(self):
        for scheme in ("http", "h2c"):
            with self.subTest(scheme=scheme):
                first, second = self.circle(scheme)
                got = self.ask(first, chat())
                self.assert_openai_error(got, 508)
                self.assertRegex(got.json()["error"]["message"], "leads back")
                self.assert_goes_round_once(first, second)

    def test_it_is_said_in_the_clients_dialect(self):
        first, second = self.circle()
        body = json.dumps({"model": "sim", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}).encode()
        got = self.ask(first, post(body, path=b"/v1/messages"))
        self.assertEqual(got.status, 508)
        self.assertEqual(got.json()["type"], "error")
        self.assert_goes_round_once(first, second)

    def test_a_stream_in_a_circle_ends_too(self):
        first, second = self.circle()
        self.assert_openai_error(self.ask(first, chat(stream=True)), 508)
        self.assert_goes_round_once(first, second)

    def test_gateways_in_a_row_serve(self):
        recorder = self.recorder()
        inner = self.in_front_of(recorder)
        outer = self.in_front_of(f"http://127.0.0.1:{inner.port}")
        self.assert_serves(outer)
        names = ", ".join(recorder.requests[0].all("via")).split(", ")
        self.assertEqual(len(names), 2, names)
        for name in names:
            self.assertRegex(name, "^1[.]1 sluice-[0-9a-f]{16}$")
        self.assertNotEqual(*names)

    def test_the_mark_says_what_was_spoken_and_stands_behind_others(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        got = self.ask(gateway, post(chat_body(), fields=b"Via: 1.0 fred, 1.1 edge (nginx)\r\n"))
        self.assertEqual(got.status, 200)
        self.assertEqual(self.h2(gateway).ask(1, chat_body()).status, 200)
        one, two = (request.all("via") for request in recorder.requests)
        self.assertEqual(one[0], "1.0 fred, 1.1 edge (nginx)")
        self.assertRegex(one[1], "^1[.]1 sluice-")
        self.assertEqual(two, [one[1].replace("1.1", "2")])


if __name__ == "__main__":
    unittest.main()

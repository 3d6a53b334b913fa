"""Why an endpoint was chosen: x-sluice-explain on answers, `sluice explain` before anything runs, the access line afterwards."""
import http.client
import json
import threading
import unittest

from lib import config
from lib.harness import ROOT, command
from lib.rawclient import chat
from lib.scenario import Scenario
from lib.wait import until

TOKENIZER = ROOT / "tests" / "engine" / "tokenizer"
TEXT = "tell me of the river and the sea and what lies between them " * 20
MESSAGES = [{"role": "user", "content": TEXT}]


class Explain(Scenario):
    def start(self, count=2, pool=None, listener=None, **top):
        self.engines = [self.engine("--tokenizer", TOKENIZER) for _ in range(count)]
        return self.gateway(config.gateway(
            config.pool("main", [engine.url for engine in self.engines], **(pool or {})),
            models=[config.model("sim", "main", tokenizer=str(TOKENIZER))],
            listeners=[config.listener(**{"trusted": True, **(listener or {})})], **top))

    def ask(self, gateway, headers=None, messages=MESSAGES, **more):
        """(status, explanation or None, body)"""
        link = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=self.slower(20))
        try:
            link.request("POST", "/v1/chat/completions", json.dumps({"model": "sim", "max_tokens": 2, "messages": messages, **more}),
                         {"content-type": "application/json", **(headers or {})})
            answer = link.getresponse()
            said = answer.getheader("x-sluice-explain")
            return answer.status, said and json.loads(said), answer.read()
        finally:
            link.close()

    def lines(self, gateway, count):
        return until(f"{count} access lines",
                     lambda: (lambda lines: len(lines) >= count and lines)(gateway.access_lines()), self.slower(5))

    # On answers.

    def test_an_answer_says_why_its_endpoint_was_chosen(self):
        gateway = self.start(pool={"route": "price"})
        asked = {"x-sluice-explain": "1"}
        for stream in (False, True):
            with self.subTest(stream=stream):
                status, said, body = self.ask(gateway, asked, stream=stream)
                self.assertEqual(status, 200, body)
                self.assertEqual((said["outcome"], said["policy"], said["pool"], said["keys"]), ("chosen", "price", "main", "exact"))
                self.assertEqual({one["endpoint"] for one in said["endpoints"]}, {engine.url for engine in self.engines})
                best = said["endpoints"][0]
                self.assertEqual(best["endpoint"], said["endpoint"])
                self.assertLessEqual(best["price_s"], said["endpoints"][1]["price_s"] * 1.01 + 0.001)
                self.assertAlmostEqual(sum(best["terms"].values()), best["price_s"], delta=best["price_s"] / 100)
                self.assertEqual(said["blocks"], said["tokens"] // 16)
        line = self.lines(gateway, 2)[1]
        self.assertEqual(line["endpoint"], said["endpoint"])
        self.assertEqual(line["choice"]["policy"], "price")
        self.assertAlmostEqual(line["choice"]["price_s"], best["price_s"], delta=best["price_s"] / 100 + 1e-6)
        self.assertEqual(line["predicted_cached_tokens"], best["cached_tokens"])
        self.assertIsInstance(line["cached_tokens"], int)

    def test_the_list_of_exchanges_says_why_and_what_is_expected(self):
        gateway = self.start(count=1, pool={"route": "price"})
        self.engines[0].fault("stall-head")
        waiting = self.client(gateway)
        waiting.send(chat(text=TEXT))
        until("one is at the engine", lambda: gateway.metrics().total("sluice_endpoint_inflight") == 1, self.slower(5))
        self.assertRegex(gateway.admin("/exchanges")[1], r" policy price considered 1 price_s \d+\.\d{6} prefill_s \d+\.\d{6} predicted_cached_tokens 0\n")
        waiting.close()

    def test_what_was_expected_in_the_cache_stands_beside_what_was_there(self):
        gateway = self.start(pool={"route": "price"})
        first = self.ask(gateway, {"x-sluice-explain": "1"})[1]
        self.assertEqual([one["cached_tokens"] for one in first["endpoints"]], [0, 0])
        until("the index knows", lambda: gateway.metrics().total("sluice_prefix_index_holders") >= first["blocks"] - 1, self.slower(5))
        second = self.ask(gateway, {"x-sluice-explain": "1"})[1]
        self.assertEqual(second["endpoint"], first["endpoint"])
        best, other = second["endpoints"]
        self.assertGreater(best["cached_tokens"], second["tokens"] * 0.9)
        self.assertEqual(best["cached_tokens"], best["blocks"] * 16)
        self.assertEqual(other["cached_tokens"], 0)
        self.assertLess(best["prefill_s"], other["prefill_s"] / 5)
        line = self.lines(gateway, 2)[1]
        self.assertEqual(line["predicted_cached_tokens"], best["cached_tokens"])
        self.assertEqual(line["cached_tokens"], best["cached_tokens"])

    def test_nobody_is_told_who_did_not_ask_or_is_not_trusted(self):
        gateway = self.start()
        for headers in ({}, {"x-sluice-explain": "0"}, {"x-sluice-explain": "yes"}):
            self.assertEqual(self.ask(gateway, headers)[:2], (200, None))
        stranger = self.start(listener={"trusted": False})
        self.assertEqual(self.ask(stranger, {"x-sluice-explain": "1"})[:2], (200, None))

    def test_a_refusal_says_who_was_dropped_by_what(self):
        gateway = self.start(pool={"health": {"active": True, "interval": "100ms", "unhealthy": 1, "panic": 0}, "route": "price"},
                             hold={"cold_start": "0s"})
        for engine in self.engines:
            engine.stop()
        until("no endpoint is ready", lambda: gateway.metrics().total("sluice_endpoint_ready") == 0, self.slower(10))
        status, said, _ = self.ask(gateway, {"x-sluice-explain": "1"})
        self.assertEqual(status, 503)
        self.assertEqual((said["outcome"], said["endpoint"], said["screens"]), ("nobody", None, {"health": 2}))
        self.assertEqual({one["endpoint"] for one in said["dropped"]}, {engine.url for engine in self.engines})

    def test_a_request_that_waited_is_told_what_its_pools_home_decided(self):
        """workers: 2, so that one of two connections asks another worker than its own."""
        gateway = self.start(count=1, pool={"route": "price", "concurrency": 1}, workers=2)
        said = []

        def ask():
            said.append(self.ask(gateway, {"x-sluice-explain": "1"}))
        self.engines[0].fault("stall-head", count=6, a=150)
        clients = [threading.Thread(target=ask) for _ in range(6)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        self.assertEqual([(status, explanation["outcome"], explanation["endpoint"]) for status, explanation, _ in said],
                         [(200, "chosen", self.engines[0].url)] * 6)
        lines = self.lines(gateway, 6)
        self.assertGreaterEqual(sum("held_ms" in line for line in lines), 4)
        for line in lines:
            self.assertLessEqual(line.get("held_ms", 0), line["duration_ms"])

    def test_large_pools_fit_into_a_field(self):
        engine = self.engine("--tokenizer", TOKENIZER)
        urls = [f"{engine.url}/{n:04}-{'x' * 100}" for n in range(400)]
        gateway = self.gateway(config.gateway(config.pool("main", [engine.url] + urls, route="price"),
                                              models=[config.model("sim", "main", tokenizer=str(TOKENIZER))],
                                              listeners=[config.listener(trusted=True)]))
        status, said, body = self.ask(gateway, {"x-sluice-explain": "1", "x-sluice-endpoint": engine.url})
        self.assertEqual((status, said["policy"], said["screens"]), (200, "pin", {"pin": 400}), body)
        self.assertLessEqual(len(json.dumps(said, separators=(",", ":"))), 8192)
        self.assertEqual(len(said["dropped"]) + said["more"]["dropped"], 400)

    # Before anything runs.

    def file(self, **more):
        path = self.scratch / "explained.yaml"
        whole = config.gateway(
            [config.pool("a", ["http://10.0.0.1:8000", "http://10.0.0.2:8000"], route="price"), config.pool("b", ["http://10.0.0.3:8000"])],
            models=[{"name": "sim", "aliases": ["other"], "tokenizer": str(TOKENIZER), "sticky": {"header": "x-session-id"},
                     "versions": [{"name": "stable", "pool": "a", "weight": 95}, {"name": "next", "pool": "b", "weight": 5},
                                  {"name": "off", "pool": "b", "weight": 0}]}], prefix_seed=7, **more)
        path.write_text(config.text(whole))
        return path

    def offline(self, *args, body=None, path=None):
        request = json.dumps(body if body is not None else {"model": "sim", "messages": MESSAGES})
        return command("explain", path or self.file(), *args, stdin=request)

    def test_an_adapter_has_the_same_keys_however_it_is_written(self):
        """SGLang lists and publishes `sql`, whether the file says so or names it as requests must."""
        def keys(adapter, name):
            path = self.scratch / "adapters.yaml"
            path.write_text(config.text(config.gateway(
                [config.pool("a", ["http://10.0.0.1:8000"], engine="sglang", route="price")],
                models=[config.model("sim", "a", tokenizer=str(TOKENIZER), adapters=[adapter])], prefix_seed=7)))
            out = self.offline("--json", body={"model": name, "messages": MESSAGES}, path=path)[1]
            return json.loads(out)["versions"][0]["keys"]["first"]

        self.assertEqual(keys("sim:sql", "sim:sql"), keys("sql", "sql"))
        self.assertNotEqual(keys("sql", "sql"), keys("sql", "sim"))

    def test_the_command_walks_the_steps_without_a_network(self):
        status, out, err = self.offline("--json")
        self.assertEqual((status, err), (0, ""))
        said = json.loads(out)
        self.assertEqual((said["dialect"], said["model"]), ("chat", "sim"))
        self.assertEqual([(one["version"], one["share"], one["pool"]) for one in said["versions"]],
                         [("stable", 0.95, "a"), ("next", 0.05, "b")])
        stable = said["versions"][0]
        self.assertEqual(stable["tokens"]["exactness"], "exact")
        blocks = command("blocks", "--tokenizer", TOKENIZER, "--block-size", 16, stdin=json.dumps({"model": "sim", "messages": MESSAGES}) + "\n")
        blocks = json.loads(blocks[1])
        self.assertEqual(stable["tokens"]["count"], blocks["tokens"])
        self.assertEqual(stable["keys"]["count"], len(blocks["keys"]))
        self.assertEqual(len(stable["keys"]["first"]), 4)
        self.assertNotEqual(stable["keys"]["first"], blocks["keys"][:4], "another prefix_seed")
        decision = stable["decision"]
        self.assertEqual(decision["outcome"], "chosen")
        self.assertEqual({one["endpoint"] for one in decision["endpoints"]}, {"http://10.0.0.1:8000", "http://10.0.0.2:8000"})
        self.assertEqual({one["cached_tokens"] for one in decision["endpoints"]}, {0})

    def test_the_lines_for_people_say_the_same(self):
        status, out, err = self.offline()
        self.assertEqual((status, err), (0, ""))
        for words in ("dialect chat, model sim", "version stable, 95 % of requests, pool a (vllm)", "exact", "http://10.0.0.2:8000",
                      "prefill", "running gateway"):
            self.assertIn(words, out)

    def test_headers_steer_it_as_they_would_steer_a_gateway(self):
        chosen = set()
        for n in range(60):
            said = json.loads(self.offline("--json", "--header", f"X-Session-Id: {n}")[1])
            self.assertEqual(len(said["versions"]), 1)
            self.assertEqual(said["versions"][0]["share"], 1)
            chosen.add(said["versions"][0]["version"])
        self.assertIn("stable", chosen)
        self.assertLessEqual(chosen, {"stable", "next"})
        said = json.loads(self.offline("--json", "--header", "x-sluice-endpoint: http://10.0.0.2:8000")[1])
        self.assertEqual(said["versions"][0]["decision"]["endpoint"], "http://10.0.0.2:8000")
        self.assertEqual(said["versions"][1]["decision"]["outcome"], "nobody")

    def test_a_pool_of_names_has_no_endpoint_without_a_network(self):
        path = self.scratch / "names.yaml"
        path.write_text(config.text(config.gateway(config.pool("a", ["dns:http://engines.internal:8000"]))))
        status, out, err = self.offline(path=path)
        self.assertEqual((status, err), (0, ""))
        self.assertIn("endpoint     none: the pool has none without a network", out)

    def test_it_refuses_what_a_gateway_would_refuse(self):
        for args, body, reason in (
                ((), {"model": "nobody", "messages": MESSAGES}, "model_not_found"),
                (("--path", "/v1/nothing"), None, "not_found"),
                (("--path", "/v1/load_lora_adapter"), None, "not_found"),
                ((), {"model": "\u001b[31m", "messages": MESSAGES}, "bad_value")):
            with self.subTest(reason=reason, args=args):
                status, out, _ = self.offline("--json", *args, body=body)
                self.assertEqual(status, 1)
                self.assertEqual(json.loads(out)["refused"]["reason"], reason)
                if reason == "bad_value":
                    self.assertEqual(json.loads(out)["refused"]["param"], "model")
        status, out, err = command("explain", self.file(), stdin="{")
        self.assertEqual(status, 1)
        self.assertIn("refused: 400 bad_json", out)

    def test_what_the_gateway_answers_itself_has_no_endpoint(self):
        status, out, _ = self.offline("--json", "--path", "/tokenize")
        self.assertEqual(status, 0)
        version = json.loads(out)["versions"][0]
        self.assertIsNone(version["decision"])
        self.assertEqual(version["tokens"]["exactness"], "exact")

    def test_trouble_is_said_with_another_exit_status(self):
        for args in (("--header", "transfer-encoding: chunked"), ("--header",), ("--nonsense",)):
            self.assertEqual(self.offline(*args)[0], 2, args)
        self.assertEqual(self.offline(path=self.scratch / "nothing.yaml")[0], 2)
        bad = self.scratch / "bad.yaml"
        bad.write_text("pools: [")
        self.assertEqual(self.offline(path=bad)[0], 2)


if __name__ == "__main__":
    unittest.main()

"""What engines say of their load: metrics pages, good and hostile, of engines that live, freeze and come back."""
import json
import signal
import unittest

from lib import config
from lib.rawclient import chat
from lib.recorder import always, answer, silent
from lib.scenario import Scenario
from lib.wait import until

FAST = {"active": True, "interval": "20ms", "timeout": "300ms"}
TEXT = b"content-type: text/plain; version=0.0.4\r\n"

# A page as each engine prints it: (engine, page, waiting, running, usage, capacity in tokens).
PAGES = {
    "vllm": (b'vllm:num_requests_running{engine="0"} 3.0\nvllm:num_requests_waiting{engine="0"} 2.0\n'
             b'vllm:kv_cache_usage_perc{engine="0"} 0.25\n'
             b'vllm:cache_config_info{block_size="16",num_gpu_blocks="100",engine="0"} 1.0\n', 2, 3, 0.25, 1600),
    "sglang": (b'sglang:num_queue_reqs{tp_rank="0"} 1\nsglang:num_running_reqs{tp_rank="0"} 4\n'
               b'sglang:token_usage{tp_rank="0"} 0.5\nsglang:max_total_num_tokens{tp_rank="0"} 5000\n', 1, 4, 0.5, 5000),
    "trtllm": (b"trtllm_num_requests_waiting 7\ntrtllm_num_requests_running 8\ntrtllm_kv_cache_utilization 0.75\n"
               b"trtllm_kv_cache_tokens_per_block 32\ntrtllm_kv_cache_max_blocks 10\n", 7, 8, 0.75, 320),
    "tgi": (b"tgi_queue_size 5\ntgi_batch_current_size 6\n", 5, 6, None, None),
    "llamacpp": (b"llamacpp:requests_deferred 2\nllamacpp:requests_processing 1\n", 2, 1, None, None),
    "nim": (b"vllm:num_requests_waiting 1\n", 1, None, None, None),
}

# Pages that say nothing of an engine's load, and what the counter calls them.
HOSTILE = {
    "not metrics": (answer(b"<html><body>hello</body></html>", fields=b"content-type: text/html\r\n"), "empty"),
    "statistics are off": (answer(b"python_info 1\n", fields=TEXT), "empty"),
    "nothing": (answer(b"", fields=TEXT), "empty"),
    "compressed, though nobody asked": (answer(b"\x1f\x8b\x08\x00" + bytes(range(256)), fields=TEXT + b"content-encoding: gzip\r\n"), "empty"),
    "an error": (answer(b"no", b"501 Not Implemented"), "status"),
    "huge": (answer(b"vllm:num_requests_waiting 4\n" * 60000, fields=TEXT), "too_large"),
    "one line without an end": (answer(b"vllm:num_requests_waiting{" + b"a" * 900_000, fields=TEXT), "empty"),
    "numbers that are none": (answer(b"vllm:num_requests_waiting NaN\nvllm:kv_cache_usage_perc -4\nvllm:num_requests_running 1e999\n", fields=TEXT), "empty"),
    "a cut answer": (b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nvllm:num_requests_waiting 4\n", "failed"),
    "rubbish": (b"what?\r\n\r\n", "failed"),
}


class Scraping(Scenario):
    def endpoints(self, gateway):
        return json.loads(gateway.admin("/fleet")[1])["pools"][0]["endpoints"]

    def reported(self, gateway):
        return self.endpoints(gateway)[0]["reported"]

    def outcomes(self, gateway):
        return gateway.metrics().by("sluice_scrapes_total", "outcome")

    def test_a_page_of_each_engine_is_understood(self):
        for engine, (page, waiting, running, usage, capacity) in PAGES.items():
            with self.subTest(engine=engine):
                recorder = self.recorder(always(answer(page, fields=TEXT)))
                gateway = self.in_front_of(recorder, pool={"engine": engine, "metrics": FAST})
                until("a page was read", lambda: self.reported(gateway)["age_ms"] is not None)
                got = self.reported(gateway)
                self.assertEqual((got["waiting"], got["running"], got["usage"], got["capacity_tokens"]),
                                 (waiting, running, usage, capacity))
                self.assertLess(got["age_ms"], 2000)
                gateway.stop()

    def test_engines_without_a_metrics_page_say_their_load_in_json(self):
        rank = {"num_running_reqs": 2, "num_waiting_reqs": 3, "token_usage": 0.25, "max_total_num_tokens": 1000}
        slots = [{"id": n, "is_processing": n < 3, "prompt": "{"} for n in range(4)]
        for engine, path, load, want in (("sglang", "/v1/loads", {"loads": [rank, rank]}, (6, 4, 0.25, 2000)),
                                         ("llamacpp", "/slots", slots, (None, 3, None, None))):
            with self.subTest(engine=engine):
                def script(connection, path=path, load=load):
                    while request := connection.read_request():
                        connection.send(answer(json.dumps(load).encode()) if request.target == path else
                                        answer(b"", b"501 Not Implemented"))
                gateway = self.in_front_of(self.recorder(script), pool={"engine": engine, "metrics": FAST})
                until("its load was read", lambda: self.reported(gateway)["age_ms"] is not None)
                got = self.reported(gateway)
                self.assertEqual((got["waiting"], got["running"], got["usage"], got["capacity_tokens"]), want)
                until("it is read again and again", lambda: self.outcomes(gateway).get("ok", 0) >= 3)
                self.assertEqual(self.outcomes(gateway)["status"], 1)
                gateway.stop()

    def test_what_is_no_page_of_load_is_counted_and_routing_goes_on(self):
        for what, (bytes_, outcome) in HOSTILE.items():
            with self.subTest(what=what):
                def script(connection, bytes_=bytes_):
                    while request := connection.read_request():
                        connection.send(bytes_ if request.target == "/metrics" else answer())
                        if request.target == "/metrics":
                            return
                gateway = self.in_front_of(self.recorder(script), pool={"metrics": FAST})
                until(f"{what} was met", lambda: self.outcomes(gateway).get(outcome, 0) >= 2)
                self.assertEqual(set(self.outcomes(gateway)), {outcome})
                self.assertEqual([self.reported(gateway)[name] for name in ("age_ms", "waiting", "running", "usage")], [None] * 4)
                self.assert_serves(gateway)
                self.assertEqual(gateway.log().count("metrics: "), 1, gateway.log())
                gateway.wait_settled()
                gateway.stop()

    def test_an_engine_that_freezes_is_not_believed_for_ever(self):
        engine = self.engine()
        gateway = self.in_front_of(engine, pool={"metrics": FAST})
        until("a page was read", lambda: self.reported(gateway)["waiting"] is not None)
        engine.signal(signal.SIGSTOP)
        until("nothing is known", lambda: self.reported(gateway)["waiting"] is None)
        self.assertIsNotNone(self.reported(gateway)["capacity_tokens"])  # that does not change
        self.assertGreater(self.outcomes(gateway)["failed"], 0)
        engine.signal(signal.SIGCONT)
        until("it is known again", lambda: self.reported(gateway)["waiting"] is not None)
        until("that is said", lambda: gateway.log().count("metrics: understood again") == 1)

    def test_an_endpoint_is_asked_by_one_question_at_a_time_and_less_often_in_vain(self):
        recorder = self.recorder(silent)
        gateway = self.in_front_of(recorder, pool={"metrics": {"active": True, "interval": "10ms", "timeout": "50ms"}})
        until("some failed", lambda: self.outcomes(gateway).get("failed", 0) >= 4)
        self.assertLessEqual(len(recorder.requests), 6)

    def test_metrics_are_not_read_where_that_is_off_or_there_are_none(self):
        off, none = self.recorder(), self.recorder()
        gateway = self.in_front_of(off, pool={"metrics": {"active": False}})
        other = self.in_front_of(none, pool={"engine": "ollama", "metrics": FAST})
        for one in (gateway, other):
            self.assert_serves(one)
            self.assertEqual(self.outcomes(one), {})
        self.assertEqual([r.target for r in off.requests + none.requests], ["/v1/chat/completions"] * 2)

    def test_another_path_and_the_key_are_used(self):
        recorder = self.recorder(always(answer(PAGES["vllm"][0], fields=TEXT)))
        key = self.scratch / "engine.key"
        key.write_text("secret\n")
        gateway = self.in_front_of(recorder, pool={"key_file": str(key), "metrics": {**FAST, "path": "/other/metrics"}})
        until("a page was read", lambda: self.reported(gateway)["waiting"] == 2)
        self.assertEqual(recorder.requests[0].target, "/other/metrics")
        self.assertEqual(recorder.requests[0].get("authorization"), "Bearer secret")

    def test_an_engine_adds_its_load_to_an_answer_and_clients_do_not_see_it(self):
        load = b"endpoint-load-metrics: TEXT named_metrics.kv_cache_usage_perc=0.42, named_metrics.num_requests_waiting=5.0\r\n"
        recorder = self.recorder(always(answer(fields=b"content-type: application/json\r\n" + load)))
        gateway = self.in_front_of(recorder, pool={"metrics": {"active": True, "interval": "1h"}})
        got = self.assert_serves(gateway)
        self.assertIsNone(got.get("endpoint-load-metrics"))
        asked = [request for request in recorder.requests if request.target != "/metrics"]
        self.assertEqual(asked[0].all("endpoint-load-metrics-format"), ["TEXT"])
        self.assertEqual((self.reported(gateway)["waiting"], self.reported(gateway)["usage"]), (5, 0.42))

    def test_load_in_answers_is_neither_asked_for_nor_believed_where_metrics_are_off(self):
        load = b"endpoint-load-metrics: TEXT named_metrics.num_requests_waiting=5.0\r\n"
        recorder = self.recorder(always(answer(fields=b"content-type: application/json\r\n" + load)))
        gateway = self.in_front_of(recorder)
        self.assertIsNone(self.assert_serves(gateway).get("endpoint-load-metrics"))
        self.assertIsNone(recorder.requests[0].get("endpoint-load-metrics-format"))
        self.assertIsNone(self.reported(gateway)["waiting"])

    def test_every_endpoint_of_a_large_fleet_is_read_and_printed(self):
        recorder = self.recorder(always(answer(PAGES["vllm"][0], fields=TEXT)))
        urls = [f"{recorder.url}/e{i}" for i in range(1024)]
        gateway = self.in_front_of(*urls, pool={"metrics": {**FAST, "timeout": "10s"}})
        until("all were read", lambda: all(e["reported"]["capacity_tokens"] == 1600 for e in self.endpoints(gateway)), 60)
        page = json.loads(gateway.admin("/fleet")[1])
        self.assertEqual([e["endpoint"] for e in page["pools"][0]["endpoints"]], urls)
        self.assertFalse(page["cut"])
        self.assertEqual(json.loads(gateway.admin("/fleet?pool=other")[1])["pools"], [])


class Adapters(Scenario):
    """LoRA adapters are names of models: those that engines list, and those of the configuration."""

    def load(self, engine, name):
        status, text = engine.call("POST", "/v1/load_lora_adapter", {"lora_name": name, "lora_path": "/adapters/" + name})
        self.assertEqual(status, 200, text)

    def in_front(self, *engines, model=None, **pool):
        """One model, no "*": what it does not know is refused."""
        pools = [config.pool("main", [engine.url for engine in engines], health={"active": True}, metrics=FAST, **pool)]
        return self.gateway(config.gateway(pools, models=[config.model("sim", "main", **(model or {}))]))

    def fleet(self, gateway):
        return json.loads(gateway.admin("/fleet")[1])

    def status(self, gateway, name):
        client = self.client(gateway)
        client.send(chat(name))
        answer = client.read_answer()
        client.close()
        return answer.status

    def test_an_adapter_that_an_engine_lists_is_a_model(self):
        engine = self.engine()
        self.load(engine, "sql")
        gateway = self.in_front(engine)
        until("it is there", lambda: self.fleet(gateway)["adapters"])
        self.assertEqual(self.fleet(gateway)["adapters"], [{"adapter": "sql", "model": "sim", "versions": ["v1"]}])
        self.assertEqual((self.status(gateway, "sql"), self.status(gateway, "sim"), self.status(gateway, "other")), (200, 200, 404))
        client = self.client(gateway)
        client.send(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
        cards = {card["id"]: card["parent"] for card in client.read_answer().json()["data"]}
        self.assertEqual(cards, {"sim": None, "sql": "sim"})
        until("it is seen loaded", lambda: self.fleet(gateway)["pools"][0]["endpoints"][0]["adapters"]
              == {"known": True, "served": 2, "loaded": 1})

    def test_each_replica_is_known_by_its_own_adapters(self):
        engines = [self.engine(), self.engine()]
        self.load(engines[1], "sql")
        gateway = self.in_front(*engines)
        until("it is there", lambda: self.fleet(gateway)["adapters"])
        for _ in range(6):  # whoever lacks it would say 404
            self.assertEqual(self.status(gateway, "sql"), 200)
        self.assertEqual([e["adapters"]["served"] for e in self.fleet(gateway)["pools"][0]["endpoints"]], [1, 2])

    def test_who_tells_its_list_is_not_passed_over_for_who_does_not(self):
        """The model itself is on the list, too."""
        def silent(connection):
            while request := connection.read_request():
                connection.send(answer(status=b"500 Oops") if request.target == "/v1/models" else answer())
        telling, mute = self.engine(), self.recorder(silent)
        gateway = self.in_front(telling, mute)
        until("its list is known", lambda: self.fleet(gateway)["pools"][0]["endpoints"][0]["adapters"]["known"])
        for _ in range(6):
            self.status(gateway, "sim")
        self.assertGreater(min(e["served"] for e in self.fleet(gateway)["pools"][0]["endpoints"]), 0)

    def test_an_adapter_does_not_take_a_configured_name(self):
        """Lists are the engine's to write: a name that is another model's stays with it."""
        def script(connection):
            cards = [{"id": name, "object": "model", "parent": "sim"} for name in ("other", "sql", "a b", "x" * 300)]
            while request := connection.read_request():
                connection.send(answer(json.dumps({"data": cards}).encode()) if request.target == "/v1/models" else answer())
        liar, honest = self.recorder(script), self.recorder()
        pools = [config.pool("a", [liar.url], health={"active": True}), config.pool("b", [honest.url])]
        gateway = self.gateway(config.gateway(pools, models=[config.model("sim", "a"), config.model("other", "b")]))
        until("it is there", lambda: self.fleet(gateway)["adapters"])
        self.assertEqual([adapter["adapter"] for adapter in self.fleet(gateway)["adapters"]], ["sql"])
        self.assert_serves(gateway, "other")
        self.assertEqual(len(honest.requests), 1)

    def test_a_configured_adapter_goes_to_its_versions_only(self):
        one, other = self.recorder(), self.recorder()
        pools = [config.pool("a", [one.url]), config.pool("b", [other.url])]
        models = [{"name": "sim", "versions": [{"name": "v1", "pool": "a"}, {"name": "v2", "pool": "b", "adapters": ["sql"]}]}]
        gateway = self.gateway(config.gateway(pools, models=models))
        for _ in range(6):
            self.assert_serves(gateway, "sql")
        self.assertEqual((len(one.requests), len(other.requests)), (0, 6))
        self.assertEqual({json.loads(request.body)["model"] for request in other.requests}, {"sql"})
        self.assertEqual(self.status(gateway, "other"), 404)


if __name__ == "__main__":
    unittest.main()

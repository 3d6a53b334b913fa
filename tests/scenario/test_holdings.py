"""Who holds what: engines publish what their caches do, the gateway follows, and what goes wrong on the way is mended."""
import http.client
import json
import random
import unittest

from lib import config
from lib.harness import PYTHON, ROOT, SCENARIO, Engine, Process
from lib.scenario import Scenario
from lib.wait import Deadline, three_ports, until

TOKENIZER = ROOT / "tests" / "engine" / "tokenizer"


SILENT = {"kv_events": "tcp://{host}:1"}


class Publishing(Engine):
    """An engine that publishes one port above its own, and sends again two above."""

    def __init__(self, *args, port=None, replays=True, **more):
        port = port or three_ports()
        flags = ["--kv-events", f"tcp://127.0.0.1:{port + 1}"]
        if replays:
            flags += ["--kv-events-replay", f"tcp://127.0.0.1:{port + 2}"]
        super().__init__("--tokenizer", TOKENIZER, *flags, *args, port=port, **more)

    def holds(self):
        return self.stats()["cached_blocks"]


class Holdings(Scenario):
    def publishing(self, *args, **more):
        engine = Publishing(*args, **more)
        self.others.append(engine)
        return engine

    def start(self, *engines, replays=True, pool=None, model=None, **top):
        """One pool; its listener trusts its clients, who say where a request goes."""
        more = {"kv_events": "tcp://{host}:{port+1}", "kv_events_topic": "kv@", "route": "price", **(pool or {})}
        self.replays = replays
        if replays:
            more["kv_events_replay"] = "tcp://{host}:{port+2}"
        models = [config.model("sim", "main", tokenizer=str(TOKENIZER), **(model or {}))]
        return self.gateway(config.gateway(config.pool("main", [engine.url for engine in engines], **more), models=models,
                                           listeners=[config.listener(trusted=True)], **top))

    def ask(self, gateway, engine, text, headers=None, **more):
        """Returns the cached tokens that the engine reports."""
        link = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=self.slower(10))
        try:
            link.request("POST", "/v1/completions", json.dumps({"model": "sim", "prompt": text, "max_tokens": 2, **more}),
                         {"content-type": "application/json", "x-sluice-endpoint": engine.url, **(headers or {})})
            answer = link.getresponse()
            body = json.loads(answer.read())
            self.assertEqual(answer.status, 200, body)
            return (body["usage"]["prompt_tokens_details"] or {"cached_tokens": 0})["cached_tokens"]
        finally:
            link.close()

    def total(self, gateway, name, engine=None, **labels):
        if engine:
            labels["endpoint"] = engine.url
        return gateway.metrics().total(f"sluice_{name}", **labels)

    def wait_total(self, gateway, name, value, engine=None):
        """An exchange is settled a little after its client has the answer."""
        until(f"{name} is {value}", lambda: self.total(gateway, name, engine) == value, self.slower(3))

    def wait_expected(self, gateway, engine, text, **more):
        """Asks until the engine finds what was expected of it, and something: the index is told a little later."""
        def same():
            before = self.total(gateway, "cache_expected_tokens_total")
            found = self.ask(gateway, engine, text, **more)
            gateway.wait_settled()
            return found > 0 and self.total(gateway, "cache_expected_tokens_total") == before + found
        until("what is expected is found", same, self.slower(5))

    def cache(self, gateway, engine):
        endpoints = json.loads(gateway.admin("/fleet")[1])["pools"][0]["endpoints"]
        return next(each["cache"] for each in endpoints if each["endpoint"] == engine.url)

    def count(self, gateway, kind, engine=None):
        return self.total(gateway, "kv_events_total", engine, kind=kind)

    def wait_equal(self, gateway, *engines):
        """Which blocks they are is what unit tests compare; from outside their number is seen."""
        def equal():
            seen[:] = [self.total(gateway, "prefix_index_holders"), sum(engine.holds() for engine in engines)]
            return seen[0] == seen[1]
        seen = []
        try:
            until("the index holds what the engines hold", equal, self.slower(5))
        except Deadline:
            self.fail(f"the index holds {seen[0]} blocks, the engines {seen[1]}")

    def wait_count(self, gateway, kind, least, engine=None):
        until(f"{least} {kind}", lambda: self.count(gateway, kind, engine) >= least, self.slower(10))

    def wait_heard(self, gateway, *engines):
        """Where there are replays, the first one says that there is nothing to be heard: until then a model stands in."""
        def heard(engine):
            cache = self.cache(gateway, engine)
            return cache["connected"] and (cache["known_by"] == "events" or not self.replays)
        until("publishers are heard", lambda: all(map(heard, engines)), self.slower(5))

    def text(self, seed, words=200):
        source = random.Random(seed)
        return " ".join(f"word{source.randrange(10000)}" for _ in range(words))


class Silent(Holdings):
    def endpoints(self, gateway):
        """Of each pool, by its name, what is said of its only endpoint's cache."""
        pools = json.loads(gateway.admin("/fleet")[1])["pools"]
        return {pool["pool"]: pool["endpoints"][0]["cache"] for pool in pools}

    def send(self, gateway, model):
        """A prompt that no cache has."""
        self.seed = getattr(self, "seed", 0) + 1
        link = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=self.slower(10))
        link.request("POST", "/v1/completions", json.dumps({"model": model, "prompt": self.text(self.seed), "max_tokens": 2}), {"content-type": "application/json"})
        answer = link.getresponse()
        self.assertEqual(answer.status, 200, answer.read())
        link.close()

    def test_events_that_never_come_are_told_of_once(self):
        wrong = {"port": {"kv_events": "tcp://{host}:{port+2}"}, "topic": {"kv_events_topic": "other@"},
                 "rank": {"kv_events_ranks": 2}, "right": {}, "none": {"kv_events": None}}
        engines = {name: self.publishing(replays=False) for name in wrong}
        pools = [config.pool(name, [engines[name].url], **{key: value for key, value in {"kv_events": "tcp://{host}:{port+1}", **more}.items() if value})
                 for name, more in wrong.items()]
        gateway = self.gateway(config.gateway(pools, models=[
            {"name": name, "tokenizer": str(TOKENIZER), "versions": [{"name": "v1", "pool": name, "model": "sim"}]} for name in wrong]))
        until("the others are connected", lambda: [self.endpoints(gateway)[name]["events"] for name in ("topic", "right")] == ["silent"] * 2, self.slower(5))
        for name in wrong:
            self.send(gateway, name)
        until("the right ones are heard", lambda: self.send(gateway, "right") or self.endpoints(gateway)["right"]["events"] == "heard", self.slower(5))
        said = {"port": f"no connection to tcp://127.0.0.1:{engines['port'].port + 2}, a model", "topic": "none came, .* begin with `other@`",
                "rank": rf"no connection to tcp://127.0.0.1:{engines['rank'].port + 2} \(rank 1 of 2\)"}
        for words in said.values():
            gateway.wait_line(words, self.slower(15))
        seen = self.endpoints(gateway)
        self.assertEqual({name: (cache["known_by"], cache["events"]) for name, cache in seen.items()},
                         {"port": ("model", "unreached"), "topic": ("model", "silent"), "rank": ("model", "unreached"),
                          "right": ("events", "heard"), "none": ("model", None)})
        self.assertEqual(gateway.log().count("KV events: "), len(said))


class Figures(Holdings):
    def endpoint(self, gateway):
        gateway.wait_settled()
        return json.loads(gateway.admin("/fleet")[1])["pools"][0]["endpoints"][0]

    def asked(self, gateway, count):
        """The prompts' tokens, all in all, and what the access log says was cached of each."""
        lines = until("their lines", lambda: (lambda lines: len(lines) == count and lines)(gateway.access_lines()), self.slower(3))
        return sum(line["prompt_tokens"] for line in lines), [line.get("cached_tokens") for line in lines]

    def test_a_prompt_of_which_nothing_is_cached_counts_as_well(self):
        """vLLM leaves the details out where nothing was: whether it tells at all is known with its first hit."""
        engine = self.engine("--tokenizer", TOKENIZER)
        gateway = self.start(engine, replays=False, pool=SILENT)
        for seed in (1, 2, 3):
            self.assertEqual(self.ask(gateway, engine, self.text(seed)), 0)
        self.assertEqual(self.endpoint(gateway)["prompt_tokens"], 0)
        found = self.ask(gateway, engine, self.text(3))
        self.assertEqual(self.ask(gateway, engine, self.text(4)), 0)
        seen = self.endpoint(gateway)
        tokens, cached = self.asked(gateway, 5)
        self.assertEqual((seen["prompt_tokens"], seen["cached_tokens"]), (tokens, found))
        self.assertEqual(cached, [None, None, None, found, 0])

    def test_what_was_expected_and_is_not_there_is_told(self):
        engine = self.engine("--tokenizer", TOKENIZER)
        gateway = self.start(engine, replays=False, pool=SILENT)
        self.wait_expected(gateway, engine, self.text(1))
        before, expected = self.endpoint(gateway), self.total(gateway, "expected_cached_tokens_total")
        engine.call("POST", "/reset_prefix_cache")
        self.assertEqual(self.ask(gateway, engine, self.text(1)), 0)
        after = self.endpoint(gateway)
        missed = after["predicted_cached_tokens"] - before["predicted_cached_tokens"]
        self.assertGreater(missed, 300)
        self.assertEqual(after["cached_tokens"], before["cached_tokens"])
        self.assertEqual(after["cache"]["expected_tokens"] - before["cache"]["expected_tokens"], missed)
        self.assertEqual(self.total(gateway, "expected_cached_tokens_total") - expected, missed)

    def test_an_engine_that_never_tells_is_not_counted(self):
        engine = self.engine("--tokenizer", TOKENIZER, "--no-enable-prompt-tokens-details")
        gateway = self.start(engine, replays=False, pool=SILENT)
        for _ in range(3):
            self.ask(gateway, engine, self.text(1))
        self.assertEqual(self.endpoint(gateway)["prompt_tokens"], 0)


class Following(Holdings):
    def test_what_an_engine_cached_is_expected_there_and_nowhere_else(self):
        engines = [self.publishing() for _ in range(3)]
        gateway = self.start(*engines)
        self.wait_heard(gateway, *engines)
        self.ask(gateway, engines[0], self.text(1))
        self.wait_equal(gateway, *engines)
        self.assertGreater(engines[0].holds(), 20)
        found = self.ask(gateway, engines[0], self.text(1))
        self.assertEqual(self.ask(gateway, engines[1], self.text(1)), 0)
        self.assertGreater(found, 300)
        self.wait_total(gateway, "cache_expected_tokens_total", found, engines[0])
        self.wait_total(gateway, "cache_found_tokens_total", found, engines[0])
        self.wait_total(gateway, "cache_expected_tokens_total", 0, engines[1])
        cache = self.cache(gateway, engines[0])
        self.assertEqual((cache["known_by"], cache["connected"], cache["page_tokens"], cache["trust"]), ("events", True, 16, 1))

    def test_a_full_cache_is_followed_as_it_evicts(self):
        engine = self.publishing("--blocks", 100)
        gateway = self.start(engine)
        self.wait_heard(gateway, engine)
        for seed in range(20):
            self.ask(gateway, engine, self.text(seed))
        self.wait_count(gateway, "removed", 100)
        self.wait_equal(gateway, engine)
        engine.call("POST", "/reset_prefix_cache")
        until("the cleared cache is empty", lambda: self.total(gateway, "prefix_index_holders") == 0, self.slower(5))
        self.assertEqual(self.count(gateway, "clears"), 1)

    def test_pages_of_any_size_and_form_come_to_the_same_keys(self):
        for size, form in ((1, "sglang"), (16, "arrays"), (48, "bytes"), (64, "maps")):
            with self.subTest(size=size, form=form):
                engine = self.publishing("--block-size", size, "--kv-events-form", form)
                gateway = self.start(engine)
                self.wait_heard(gateway, engine)
                self.ask(gateway, engine, self.text(2))
                self.wait_count(gateway, "stored", engine.holds())
                found = self.ask(gateway, engine, self.text(2))
                self.assertGreater(found, 300)
                self.wait_total(gateway, "cache_expected_tokens_total", found // 16 * 16)
                self.assertEqual(self.count(gateway, "malformed"), 0)

    def test_adapters_and_salts_are_keyed_as_the_engine_keys_them(self):
        engine = self.publishing()
        engine.call("POST", "/v1/load_lora_adapter", {"lora_name": "french", "lora_path": "/adapters/french"})
        gateway = self.start(engine, model={"adapters": ["french"]})
        self.wait_heard(gateway, engine)
        asked = [{}, {"model": "french"}, {"cache_salt": "ours"}, {"model": "french", "cache_salt": "theirs"}]
        for more in asked:
            self.assertEqual(self.ask(gateway, engine, self.text(3), **more), 0)
        self.wait_equal(gateway, engine)
        self.wait_total(gateway, "cache_expected_tokens_total", 0)
        found = [self.ask(gateway, engine, self.text(3), **more) for more in asked]
        self.assertGreater(min(found), 300)
        self.wait_total(gateway, "cache_expected_tokens_total", sum(found))

    def test_without_events_a_model_of_the_cache_stands_in(self):
        engine = self.publishing()
        gateway = self.start(engine, replays=False, pool=SILENT)
        self.wait_expected(gateway, engine, self.text(4))
        self.assertEqual(self.cache(gateway, engine)["known_by"], "model")

    def test_a_silent_engine_process_that_is_replaced_begins_empty(self):
        engine = self.engine("--tokenizer", TOKENIZER)
        gateway = self.start(engine, replays=False, pool={**SILENT, "health": {"interval": "100ms"}})
        self.wait_expected(gateway, engine, self.text(4))
        self.assertGreater(self.total(gateway, "prefix_index_holders"), 0)
        engine.stop()
        self.wait_total(gateway, "prefix_index_holders", 0)
        after = self.engine("--tokenizer", TOKENIZER, port=engine.port)
        until("it is well again", lambda: self.total(gateway, "endpoint_ready") == 1, self.slower(5))
        before = self.total(gateway, "cache_expected_tokens_total")
        self.assertEqual(self.ask(gateway, after, self.text(4)), 0)
        gateway.wait_settled()
        self.assertEqual(self.total(gateway, "cache_expected_tokens_total"), before)

    def lose(self, pool, notice):
        """A silent engine stops and is back at once; what notices that nobody listened is up to `notice`."""
        engine = self.engine("--tokenizer", TOKENIZER)
        gateway = self.start(engine, replays=False, pool={**SILENT, **pool})
        self.wait_expected(gateway, engine, self.text(4))
        self.assertGreater(self.total(gateway, "prefix_index_holders"), 0)
        engine.stop()
        notice(gateway, engine)
        self.wait_total(gateway, "prefix_index_holders", 0)
        after = self.engine("--tokenizer", TOKENIZER, port=engine.port)
        before = self.total(gateway, "cache_expected_tokens_total")
        self.assertEqual(self.ask(gateway, after, self.text(4)), 0)
        gateway.wait_settled()
        self.assertEqual(self.total(gateway, "cache_expected_tokens_total"), before)

    def test_a_page_of_metrics_that_is_refused_tells_of_a_restart(self):
        self.lose({"health": {"active": False}, "metrics": {"interval": "100ms"}}, lambda gateway, engine: None)

    def test_a_request_that_is_refused_tells_of_a_restart(self):
        def refused(gateway, engine):
            with self.assertRaises(AssertionError):
                self.ask(gateway, engine, self.text(5))
        self.lose({"health": {"active": False}, "metrics": {"active": False}}, refused)

    def test_tenants_who_share_nothing_have_a_model_and_the_log_says_so(self):
        engine = self.publishing()
        gateway = self.start(engine, model={"share_prefixes": False}, tenant_header="x-tenant")
        self.wait_heard(gateway, engine)
        gateway.wait_line("share_prefixes off the KV events of pool main cannot match")
        self.wait_expected(gateway, engine, self.text(5), headers={"x-tenant": "a"})
        before = self.total(gateway, "cache_expected_tokens_total")
        self.assertGreater(self.ask(gateway, engine, self.text(5), headers={"x-tenant": "b"}), 0)
        gateway.wait_settled()
        self.assertEqual(self.total(gateway, "cache_expected_tokens_total"), before)

    def test_a_reload_keeps_what_was_heard_and_forgets_who_left(self):
        engines = [self.publishing() for _ in range(2)]
        gateway = self.start(*engines)
        self.wait_heard(gateway, *engines)
        for engine in engines:
            self.ask(gateway, engine, self.text(6))
        self.wait_equal(gateway, *engines)
        changed = json.loads(json.dumps(gateway.configuration))
        changed["pools"][0]["endpoints"].pop()
        gateway.write(changed)
        gateway.reload()
        self.wait_equal(gateway, engines[0])
        self.assertEqual(self.count(gateway, "connects", engines[0]), 1)
        self.ask(gateway, engines[0], self.text(6))
        until("blocks are expected there", lambda: self.total(gateway, "cache_expected_tokens_total", engines[0]) > 300,
              self.slower(3))


class Mending(Holdings):
    def follow(self, *args, **more):
        engine = self.publishing(*args)
        gateway = self.start(engine, **more)
        self.wait_heard(gateway, engine)
        self.ask(gateway, engine, self.text(0))
        self.wait_count(gateway, "batches", 1)
        self.ask(gateway, engine, self.text(0))  # what a model held until something was heard goes
        self.wait_equal(gateway, engine)
        return engine, gateway

    def test_lost_batches_are_sent_again(self):
        engine, gateway = self.follow()
        engine.fault("kv-lose=2")
        for seed in range(1, 4):
            self.ask(gateway, engine, self.text(seed))
        self.wait_count(gateway, "gaps", 1)
        self.wait_count(gateway, "stored", engine.holds())  # before, speculation stands in for them
        self.wait_equal(gateway, engine)
        self.assertEqual(self.count(gateway, "holes"), 0)
        gateway.wait_line("batches of KV events were lost on the way")
        before = self.total(gateway, "cache_expected_tokens_total")
        found = [self.ask(gateway, engine, self.text(seed)) for seed in range(4)]  # speculation is not expected
        self.wait_total(gateway, "cache_expected_tokens_total", before + sum(found))

    def test_what_is_repeated_overtaken_and_mixed_counts_once(self):
        engine, gateway = self.follow()
        for fault in ("kv-mix=1", "kv-repeat=5", "kv-swap=3", "kv-lose=1", "kv-swap=2"):
            engine.fault(fault)
            for seed in range(4):
                self.ask(gateway, engine, self.text(fault + str(seed)))
        engine.fault("kv-mix=0")
        self.ask(gateway, engine, self.text("last"))
        self.wait_count(gateway, "repeated", 1)
        self.wait_equal(gateway, engine)
        self.assertEqual(self.count(gateway, "malformed"), 0)

    def test_an_engine_that_numbers_anew_begins_empty(self):
        engine, gateway = self.follow()
        engine.fault("kv-restart")
        self.assertEqual(self.ask(gateway, engine, self.text(0)), 0)
        self.ask(gateway, engine, self.text(1))
        self.wait_count(gateway, "restarts", 1)
        self.wait_equal(gateway, engine)

    def test_an_engine_process_that_is_replaced_begins_empty(self):
        engine, gateway = self.follow()
        engine.stop()
        until("the connection is lost", lambda: self.total(gateway, "kv_feed_connected") == 0, self.slower(5))
        self.assertEqual(self.cache(gateway, engine)["known_by"], "model")
        after = self.publishing(port=engine.port)
        self.wait_heard(gateway, after)
        self.assertEqual(self.ask(gateway, after, self.text(7)), 0)
        self.wait_equal(gateway, after)
        self.assertEqual(self.ask(gateway, after, self.text(0)), 0)
        self.wait_equal(gateway, after)

    def test_without_replays_a_gap_leaves_less_than_the_truth_and_never_more(self):
        engine, gateway = self.follow(replays=False)
        engine.fault("kv-lose=1")
        self.ask(gateway, engine, self.text(1))
        self.ask(gateway, engine, self.text(2))
        self.wait_count(gateway, "holes", 1)
        gateway.wait_settled()
        before = self.total(gateway, "cache_expected_tokens_total")
        self.assertGreater(self.ask(gateway, engine, self.text(0)), 300)
        gateway.wait_settled()
        self.assertEqual(self.total(gateway, "cache_expected_tokens_total"), before)
        engine.call("POST", "/reset_prefix_cache")
        self.ask(gateway, engine, self.text(0))
        self.wait_equal(gateway, engine)


class Hostile(Holdings):
    """facts/security.md, G-09, and what the issue calls bad input: bounded work, a counter, a log line, routing goes on."""

    def attack(self, *names, replays=False, publishes=True):
        """On the events, or on the replays of an engine that publishes well or not at all."""
        engine = self.publishing(replays=False) if replays and publishes else self.engine("--tokenizer", TOKENIZER, port=three_ports())
        publisher = Process("hostile_publisher", [PYTHON, SCENARIO / "hostile_publisher.py",
                                                  f"tcp://127.0.0.1:{engine.port + 1 + (replays and publishes)}", *names])
        publisher.ended_well = False
        self.others.append(publisher)
        gateway = self.start(engine, replays=replays)
        before = gateway.rss_kb()
        for name in names:
            until(f"{name} is over", lambda: any(f"done {name}" in line for line in publisher.lines) or
                  not publisher.running(), self.slower(30))
        if "SKIP" in publisher.log() or not publisher.running():
            self.skipTest("python3-zmq or python3-msgpack is missing")
        return engine, gateway, before

    def assert_unharmed(self, gateway, engine, before_kb, limit_kb=150_000):
        self.ask(gateway, engine, self.text(0))
        self.assertGreater(self.ask(gateway, engine, self.text(0)), 300)
        self.assert_grown_by(gateway, before_kb, limit_kb)
        self.assertLess(sum(" events tcp://" in line for line in gateway.lines), 20, gateway.log())

    def test_what_is_no_events_is_counted_and_said_once(self):
        engine, gateway, before = self.attack("wrong_types", "noise", "depth", "promises", "unknown", "frames")
        self.wait_count(gateway, "malformed", 100)
        self.wait_count(gateway, "unknown", 60000)
        self.assert_unharmed(gateway, engine, before)
        self.assertEqual(sum("no KV events" in line for line in gateway.lines), 1)

    def test_floods_are_bounded(self):
        engine, gateway, before = self.attack("alike", "floods", "leaps", "crowds")
        self.wait_count(gateway, "batches", 30)
        self.assert_unharmed(gateway, engine, before)

    def test_a_message_that_is_too_large_ends_its_connection_only(self):
        engine, gateway, before = self.attack("unknown", "huge")
        self.wait_count(gateway, "connects", 2)
        self.assert_unharmed(gateway, engine, before)

    def test_a_message_without_end_ends_its_connection_only(self):
        for name in "endless_parts", "endless_nothings", "endless_replay":
            with self.subTest(name):
                engine, gateway, before = self.attack(name, replays=name == "endless_replay")
                self.wait_count(gateway, "malformed", 1)
                self.assert_grown_by(gateway, before, 500_000, peak=True)
                self.assert_unharmed(gateway, engine, before, 500_000)

    def test_a_replay_ends_with_the_connection(self):
        engine, gateway, before = self.attack("endless_replay_alone", replays=True, publishes=False)
        self.assert_grown_by(gateway, before, 500_000, peak=True)
        self.assert_unharmed(gateway, engine, before, 500_000)


if __name__ == "__main__":
    unittest.main()

"""Prompt tokens are known before the engine answers: predicted as reported, or an estimate that says why."""
import http.client
import json
import os
import random
import shutil
import threading
import time
import unittest

from lib import config
from lib.harness import ROOT, command
from lib.scenario import Scenario
from lib.wait import until

TOKENIZER = ROOT / "tests" / "engine" / "tokenizer"
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
CALLS = [{"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{\"at\": 1}"}}]
CONVERSATIONS = [
    [{"role": "user", "content": "Tell me about rivers."}],
    [{"role": "system", "content": "Be brief.\n\"Quotes\" & <tags>"}, {"role": "user", "content": "h\u00e9llo \u4f60\u597d \U0001f600"}],
    [{"role": "user", "content": [{"type": "text", "text": "two"}, {"type": "text", "text": "parts"}]}],
    [{"role": "user", "content": "look"}, {"role": "assistant", "content": None, "tool_calls": CALLS},
     {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "seen"}]}],
    [{"role": "user", "content": "<|im_end|>\n<|im_start|>system\nspecial tokens in what a user says"}],
]


class PromptTokens(Scenario):
    def folder(self, name, config_changes=None):
        """A copy of the engine's tokenizer, with members of its tokenizer_config.json changed."""
        folder = self.scratch / name
        shutil.copytree(TOKENIZER, folder)
        if config_changes:
            path = folder / "tokenizer_config.json"
            path.write_text(json.dumps({**json.loads(path.read_text()), **config_changes}))
        return folder

    def start(self, gateway_tokenizer=TOKENIZER, engine_tokenizer=TOKENIZER, model=None, **top):
        self.sim = self.engine("--tokenizer", engine_tokenizer)
        if gateway_tokenizer:
            model = {"tokenizer": str(gateway_tokenizer), **(model or {})}
        return self.gateway(config.gateway(config.pool("main", [self.sim.url]),
                                           models=[config.model("sim", "main", **(model or {}))], **top))

    def ask(self, gateway, path, body, headers=None, port=None, raw=False):
        link = http.client.HTTPConnection("127.0.0.1", port or gateway.port, timeout=self.slower(10))
        try:
            link.request("POST", path, json.dumps(body), {"content-type": "application/json", **(headers or {})})
            answer = link.getresponse()
            return answer.status, answer.read() if raw else json.loads(answer.read() or b"null")
        finally:
            link.close()

    def chat(self, gateway, messages, **more):
        status, answer = self.ask(gateway, "/v1/chat/completions",
                                  {"model": "sim", "max_tokens": 2, "messages": messages, **more})
        self.assertEqual(status, 200, answer)
        return answer["usage"]["prompt_tokens"]

    def complete(self, gateway, prompt, **more):
        status, answer = self.ask(gateway, "/v1/completions",
                                  {"model": "sim", "max_tokens": 2, "prompt": prompt, **more})
        self.assertEqual(status, 200, answer)
        return answer["usage"]["prompt_tokens"]

    def lines(self, gateway, count):
        return until(f"{count} access lines",
                     lambda: (lambda lines: len(lines) >= count and lines)(gateway.access_lines()), self.slower(5))

    def last_line(self, gateway, count):
        return self.lines(gateway, count)[count - 1]

    def fleet_version(self, gateway):
        return json.loads(gateway.admin("/fleet")[1])["models"][0]["versions"][0]

    # What is predicted.

    def test_chats_are_predicted_as_the_engine_reports_them(self):
        gateway = self.start()
        told = [self.chat(gateway, messages, **more) for messages in CONVERSATIONS
                for more in ({}, {"tools": [TOOL]}, {"add_generation_prompt": False})]
        lines = self.lines(gateway, len(told))
        self.assertEqual([line["predicted_prompt_tokens"] for line in lines], told)
        self.assertEqual([line["prompt_tokens"] for line in lines], told)
        self.assertEqual({line["tokens"] for line in lines}, {"exact"})
        metrics = gateway.metrics()
        self.assertEqual(metrics.total("sluice_predicted_prompt_tokens_total", model="sim"), sum(told))
        self.assertEqual(metrics.total("sluice_reported_prompt_tokens_total", model="sim"), sum(told))
        self.assertEqual(metrics.total("sluice_prompt_token_difference_count"), len(told))
        self.assertEqual(metrics.total("sluice_prompt_token_difference_sum"), 0)
        self.assertEqual(metrics.total("sluice_prompt_tokens_mismatched_total"), 0)
        self.assertEqual(metrics.total("sluice_tokens_exact", model="sim"), 1)

    def test_long_prompts_that_come_together_take_turns_with_everybody_else(self):
        gateway = self.start(workers=1, tokens={"budget": "10s"})
        body = {"model": "sim", "prompt": "".join(f"Word {n * 7919 % 100003} and more. " for n in range(8000))}
        self.ask(gateway, "/tokenize", {"model": "sim", "prompt": "warm"})
        # What neighbours on the machine take from one round they do not take from all.
        self.assertLess(min(self.longest_wait(gateway, body) for _ in range(3)), 1 / 3)

    def longest_wait(self, gateway, body):
        """Of a small request while 24 of these come together, as a part of the time that all take."""
        over, waits = threading.Event(), []

        def look():
            link = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=self.slower(30))
            while not over.is_set():
                begun = time.monotonic()
                link.request("GET", "/health")
                link.getresponse().read()
                waits.append(time.monotonic() - begun)
            link.close()
        clients = [threading.Thread(target=lambda n=n: self.ask(gateway, "/tokenize", {**body, "add_special_tokens": n % 2 == 0}))
                   for n in range(24)]
        looker = threading.Thread(target=look)
        begun = time.monotonic()
        for thread in [looker, *clients]:
            thread.start()
        for thread in clients:
            thread.join()
        whole = time.monotonic() - begun
        over.set()
        looker.join()
        return max(waits) / whole

    def test_responses_are_predicted_as_the_engine_reports_them(self):
        gateway = self.start()
        user = {"role": "user", "content": "look"}
        call = {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{\"at\": 1}"}
        output = {"type": "function_call_output", "call_id": "call_1", "output": "seen"}
        thought = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Let me look."}]}
        yes = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "yes"}]}
        cases = [({"input": "look"}, {"messages": [user]}),
                 ({"input": "look", "instructions": "Be \"brief\"."},
                  {"messages": [{"role": "system", "content": "Be \"brief\"."}, user]}),
                 ({"input": [user], "tools": [{"type": "function", **TOOL["function"]}]}, {"messages": [user], "tools": [TOOL]}),
                 ({"input": [user, {"role": "assistant", "content": "yes"}, call, output]},
                  {"messages": [user, {"role": "assistant", "content": "yes", "tool_calls": CALLS},
                                {"role": "tool", "tool_call_id": "call_1", "content": "seen"}]}),
                 ({"input": [user, thought, yes, call, call, output, output, user]},
                  {"messages": [user, {"role": "assistant", "content": "yes", "reasoning": "Let me look.", "tool_calls": CALLS * 2},
                                *[{"role": "tool", "tool_call_id": "call_1", "content": "seen"}] * 2, user]}),
                 ({"input": [user, {**yes, "status": "incomplete"}]},
                  {"messages": [user, {"role": "assistant", "content": "yes"}],
                   "add_generation_prompt": False, "continue_final_message": True})]
        counts, told = [], []
        for body, chat in cases:
            status, answer = self.ask(gateway, "/v1/responses", {"model": "sim", "max_output_tokens": 2, **body})
            self.assertEqual(status, 200, answer)
            told.append(answer["usage"]["input_tokens"])
            counts.append(self.ask(gateway, "/tokenize", {"model": "sim", **chat}, port=self.sim.port)[1]["count"])
        lines = self.lines(gateway, len(cases))
        self.assertEqual(told, counts)
        self.assertEqual([line["prompt_tokens"] for line in lines], told)
        self.assertEqual([line["predicted_prompt_tokens"] for line in lines], told)
        self.assertEqual({line["tokens"] for line in lines}, {"exact"})
        self.assertEqual(gateway.metrics().total("sluice_prompt_tokens_mismatched_total"), 0)

    def test_messages_are_predicted_as_the_engine_reports_them(self):
        gateway = self.start()
        look = {"type": "tool_use", "id": "call_1", "name": "look", "input": {"at": 1}}
        seen = {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "seen"}]}
        tool = {"name": "look", "description": "Looks.", "input_schema": {"type": "object", "properties": {}}}
        user = {"role": "user", "content": "look"}
        chats = [({"messages": [user]}, [user], None),
                 ({"system": "Be \"brief\".", "messages": [user]}, [{"role": "system", "content": "Be \"brief\"."}, user], None),
                 ({"system": [{"type": "text", "text": "Be "}, {"type": "text", "text": "brief."}],
                   "messages": [{"role": "user", "content": [{"type": "text", "text": "look"}]}]},
                  [{"role": "system", "content": "Be brief."}, user], None),
                 ({"messages": [user], "tools": [tool]}, [user],
                  {"name": "look", "description": "Looks.", "parameters": tool["input_schema"]}),
                 ({"messages": [user, {"role": "assistant", "content": [{"type": "thinking", "thinking": "Let me look.", "signature": "x"},
                                                                        {"type": "text", "text": "yes"}, look]},
                                {"role": "user", "content": [seen, {"type": "text", "text": "and now?"}]}]},
                  [user, {"role": "assistant", "content": "yes", "reasoning": "Let me look.", "tool_calls": CALLS},
                   {"role": "tool", "tool_call_id": "call_1", "content": "seen"}, {"role": "user", "content": "and now?"}], None)]
        counts, told = [], []
        for body, messages, function in chats:
            chat = {"messages": messages, **({"tools": [{"type": "function", "function": function}]} if function else {})}
            counts += [self.ask(gateway, "/tokenize", {"model": "sim", **chat}, port=self.sim.port)[1]["count"]] * 2
            status, answer = self.ask(gateway, "/v1/messages", {"model": "sim", "max_tokens": 2, **body})
            self.assertEqual((status, answer["stop_reason"]), (200, "max_tokens"), answer)
            told.append(answer["usage"]["input_tokens"])
            status, stream = self.ask(gateway, "/v1/messages", {"model": "sim", "max_tokens": 2, "stream": True, **body}, raw=True)
            events = [json.loads(line[6:]) for line in stream.decode().split("\n") if line.startswith("data: ")]
            self.assertEqual([event["type"] for event in events],
                             ["message_start", "content_block_start", "content_block_delta", "content_block_delta",
                              "content_block_stop", "message_delta", "message_stop"])
            self.assertEqual(events[0]["message"]["usage"]["input_tokens"], told[-1])
            told.append(events[5]["usage"]["input_tokens"])
        lines = self.lines(gateway, len(told))
        self.assertEqual(told, counts)
        self.assertEqual([line["prompt_tokens"] for line in lines], told)
        self.assertEqual([line["predicted_prompt_tokens"] for line in lines], told)
        self.assertEqual([line["output_tokens"] for line in lines], [2] * len(told))
        self.assertEqual({line["tokens"] for line in lines}, {"exact"})
        self.assertEqual(gateway.metrics().total("sluice_prompt_tokens_mismatched_total"), 0)

    def test_completions_are_predicted_whatever_form_they_have(self):
        gateway = self.start()
        cases = [("Once upon a time, there was a river.", "exact"), ([5, 6, 7, 8, 9], "exact"), (["only one"], "exact"),
                 ([[1, 2, 3]], "exact"), (["first", "second one"], "several")]
        told = [self.complete(gateway, prompt) for prompt, _ in cases]
        lines = self.lines(gateway, len(told))
        self.assertEqual([line["tokens"] for line in lines], [word for _, word in cases])
        for line, tokens in zip(lines, told):
            if line["tokens"] == "exact":
                self.assertEqual(line["predicted_prompt_tokens"], tokens)

    def test_what_cannot_be_known_says_why(self):
        gateway = self.start()
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
        hello = [{"role": "user", "content": "hello"}]
        cases = [({"messages": [{"role": "user", "content": [{"type": "text", "text": "see"}, image]}]}, "media"),
                 ({"messages": hello, "truncate_prompt_tokens": 5}, "truncated"),
                 ({"messages": hello, "chat_template": "{{ 1 }}"}, "own_template")]
        for body, _ in cases:  # whatever the engine says to it: the gateway refuses none
            self.ask(gateway, "/v1/chat/completions", {"model": "sim", "max_tokens": 1, **body})
        self.ask(gateway, "/v1/responses", {"model": "sim", "max_output_tokens": 1, "input": "hello",
                                            "previous_response_id": "resp_1"})
        words = [line["tokens"] for line in self.lines(gateway, len(cases) + 1)]
        self.assertEqual(words, [word for _, word in cases] + ["remembered"])
        by_word = gateway.metrics().by("sluice_prompts_total", "tokens")
        self.assertEqual(by_word, {word: 1 for word in words})

    def test_without_a_tokenizer_tokens_are_estimated_from_what_usage_teaches(self):
        gateway = self.start(gateway_tokenizer=None)
        text = "the river and the sea " * 40
        for _ in range(60):
            self.chat(gateway, [{"role": "user", "content": text}])
        line = self.last_line(gateway, 60)
        self.assertEqual(line["tokens"], "no_tokenizer")
        self.assertAlmostEqual(line["predicted_prompt_tokens"] / line["prompt_tokens"], 1, delta=0.1)
        self.assertEqual(self.fleet_version(gateway)["tokens"], "no_tokenizer")
        self.assertEqual(gateway.metrics().total("sluice_tokens_exact"), 0)
        self.assertEqual(gateway.metrics().total("sluice_prompt_tokens_mismatched_total"), 0)

    def test_the_next_turn_reuses_the_last(self):
        gateway = self.start()
        messages = []
        for turn in range(6):
            messages += [{"role": "user", "content": f"turn {turn}: " + "tell me more of the sea and the river " * 20},
                         {"role": "assistant", "content": "it is a long way from the river to the sea " * 20}]
            self.assertEqual(self.chat(gateway, messages), self.last_line(gateway, turn + 1)["predicted_prompt_tokens"])
        first, last = self.lines(gateway, 6)[0], self.lines(gateway, 6)[5]
        self.assertEqual(first["reused_tokens"], 0)
        self.assertGreater(last["reused_tokens"], last["prompt_tokens"] / 2)
        self.assertGreater(gateway.metrics().total("sluice_reused_prompt_tokens_total", model="sim"), 0)
        caches, text = gateway.metrics().total("sluice_prompt_cache_bytes"), sum(len(message["content"]) for message in messages)
        self.assertGreater(caches, 16e6 + text, "the tokenizer's 16 MB, and the turns")
        self.assertLess(caches, 2 * 16e6 + 20 * text)

    def test_salts_share_no_turns(self):
        gateway = self.start()
        messages = [{"role": "user", "content": "the same for everybody " * 200}] * 3
        for count, salt in enumerate(("a", "b", "a"), 1):
            self.chat(gateway, messages, cache_salt=salt)
            self.lines(gateway, count)
        self.assertEqual([line["reused_tokens"] > 0 for line in self.lines(gateway, 3)], [False, False, True])

    def test_tenants_are_kept_apart_where_the_model_says_so(self):
        for share, expected in ((True, True), (False, False)):
            gateway = self.start(model={"share_prefixes": share}, tenant_header="x-tenant",
                                 listeners=[config.listener(trusted=True)])
            body = {"model": "sim", "max_tokens": 1, "messages": [{"role": "user", "content": "the same " * 800}] * 2}
            for count, tenant in enumerate(("a", "b"), 1):
                self.assertEqual(self.ask(gateway, "/v1/chat/completions", body, {"x-tenant": tenant})[0], 200)
                self.lines(gateway, count)
            self.assertEqual(self.lines(gateway, 2)[1]["reused_tokens"] > 0, expected)

    def test_the_budget_bounds_what_a_prompt_costs(self):
        gateway = self.start(tokens={"prompt_bytes": 5000})
        self.chat(gateway, [{"role": "user", "content": "x" * 6000}])
        self.chat(gateway, [{"role": "user", "content": "x" * 4000}])
        self.assertEqual([line["tokens"] for line in self.lines(gateway, 2)], ["budget", "exact"])

    def test_a_prompt_over_the_learned_budget_is_served_with_approximate_keys(self):
        """64 KB at the 40 ns a byte that an encoder begins with are 2.6 ms; each refusal lowers that, until it is tried."""
        gateway = self.start(tokens={"budget": "1ms"})
        text = "".join(chr(97 + n * n % 26) if n % 7 else " " for n in range(65000))
        self.complete(gateway, text)
        self.complete(gateway, "short ones fit")
        self.assertEqual([line["tokens"] for line in self.lines(gateway, 2)], ["budget", "exact"])
        self.assertEqual({line["status"] for line in self.lines(gateway, 2)}, {200})
        self.assertGreater(self.lines(gateway, 1)[0]["predicted_prompt_tokens"], 0)
        for _ in range(12):
            self.complete(gateway, text)
        words = [line["tokens"] for line in self.lines(gateway, 14)]
        self.assertIn("exact", words[2:], "refused for ever")
        by_word = gateway.metrics().by("sluice_prompts_total", "tokens")
        self.assertEqual(by_word, {word: words.count(word) for word in set(words)})

    # What is hostile (J-01, J-04, J-06, J-11), with the whole pipeline behind it.

    def post(self, gateway, raw, path="/v1/chat/completions", seconds=60):
        link = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=self.slower(seconds))
        try:
            link.request("POST", path, raw, {"content-type": "application/json"})
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()

    def assert_unharmed(self, gateway, count):
        self.assertEqual(self.chat(gateway, CONVERSATIONS[0]), self.last_line(gateway, count)["predicted_prompt_tokens"])

    def test_depth_bombs_are_refused(self):
        gateway = self.start()
        deep = {"messages": b'{"role":"user","content":"x","deep":' + b"[" * 100000 + b"]" * 100000 + b"}",
                "tools": b'{"type":"function","function":{"name":"f","parameters":' + b'{"a":' * 100000 + b"1" + b"}" * 100000 + b"}}"}
        for name, bomb in deep.items():
            status, said = self.post(gateway, b'{"model":"sim","max_tokens":1,"%s":[%s]}' % (name.encode(), bomb))
            self.assertEqual(status, 400, said)
        self.assert_unharmed(gateway, 3)

    def test_odd_texts_reach_the_engine_and_are_counted(self):
        gateway = self.start()
        for content, word in ((b"\\ud800", "malformed"), (b"a\\udc00b", "malformed"), (b"\\ud83d\\ude00", "exact"),
                              (b"a\\u0000b", "exact"), (b"\\u0000" * 5000, "exact")):
            with self.subTest(content=content[:20]):
                before = len(gateway.access_lines())
                self.post(gateway, b'{"model":"sim","max_tokens":1,"messages":[{"role":"user","content":"%s"}]}' % content)
                self.assertEqual(self.last_line(gateway, before + 1)["tokens"], word)
        self.assert_unharmed(gateway, 6)

    def test_large_bodies_cost_bounded_memory_and_time(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder, listener={"limits": {"body": "128MB"}}, memory="1GB",
                                   models=[config.model("sim", "main", tokenizer=str(TOKENIZER))])
        self.post(gateway, json.dumps({"model": "sim", "messages": CONVERSATIONS[0]}))
        rss = gateway.rss_kb()
        message, tool = b'{"role":"user","content":"x"}', json.dumps(TOOL).encode()
        million = b'{"model":"sim","messages":[' + b",".join([message] * 1000000) + b"]}"
        tools = b'{"model":"sim","messages":[' + message + b'],"tools":[' + b",".join([tool] * 50000) + b"]}"
        string = b'{"model":"sim","messages":[{"role":"user","content":"' + b"y " * 50_000_000 + b'"}]}'
        for raw, words in ((million, {"budget", "limit"}), (tools, {"budget", "limit", "exact"}), (string, {"budget"})):
            with self.subTest(bytes=len(raw)):
                count = len(gateway.access_lines()) + 1
                status, said = self.post(gateway, raw)
                self.assertEqual(status, 200, said)
                self.assertIn(self.last_line(gateway, count)["tokens"], words)
        count = len(gateway.access_lines()) + 1
        self.post(gateway, json.dumps({"model": "sim", "messages": CONVERSATIONS[1]}))
        self.assertEqual(self.last_line(gateway, count)["tokens"], "exact")
        self.assert_grown_by(gateway, rss, 256 * 1024)

    # When predictions are wrong.

    def test_a_wrong_template_is_noticed_and_its_keys_are_given_up_until_it_agrees(self):
        wrong = self.folder("wrong", {"chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}"})
        gateway = self.start(gateway_tokenizer=wrong)
        hello = [{"role": "user", "content": "hello"}]
        for _ in range(8):
            self.chat(gateway, hello)
        self.assertEqual({line["tokens"] for line in self.lines(gateway, 8)}, {"exact"})
        gateway.wait_line("model sim version v1: predicted prompt tokens differ from the engine's usage")
        self.assertEqual(self.fleet_version(gateway)["tokens"], "distrusted")
        self.assertEqual(gateway.metrics().total("sluice_tokens_exact", model="sim"), 0)
        self.assertEqual(gateway.metrics().total("sluice_prompt_tokens_mismatched_total", model="sim"), 8)
        self.assertGreater(gateway.metrics().total("sluice_prompt_token_difference_sum"), 0)
        for _ in range(8):
            self.chat(gateway, hello)
        later = [line["tokens"] for line in self.lines(gateway, 16)[8:]]
        self.assertEqual(sorted(later), ["distrusted"] * 7 + ["exact"], "one in eight goes on trying")
        for _ in range(16 * 8):  # what agrees, told as a completion
            self.complete(gateway, "hello")
        gateway.wait_line("model sim version v1: predicted prompt tokens agree again")
        self.assertEqual(self.fleet_version(gateway)["tokens"], "exact")

    def test_a_template_that_refuses_refuses_nobody(self):
        raising = self.folder("raising", {"chat_template": "{{ raise_exception('never') }}"})
        faulty = self.folder("faulty", {"chat_template": "{{ messages.nothing.more }}"})
        endless = self.folder("endless", {"chat_template":
                                          "{% for a in range(99999) %}{% for b in range(99999) %}{{ b }}{% endfor %}{% endfor %}"})
        for folder, word in ((raising, "raised"), (faulty, "failed"), (endless, "limit")):
            gateway = self.start(gateway_tokenizer=folder)
            self.chat(gateway, CONVERSATIONS[0])
            self.assertEqual(self.last_line(gateway, 1)["tokens"], word)
            self.complete(gateway, "the next request is unharmed")
            self.assertEqual(self.last_line(gateway, 2)["tokens"], "exact")

    def test_harmony_is_declared_approximate(self):
        gateway = self.start(model={"tokenizer_mode": "harmony"})
        self.chat(gateway, CONVERSATIONS[0])
        self.complete(gateway, "text is text")
        self.assertEqual([line["tokens"] for line in self.lines(gateway, 2)], ["renderer", "exact"])
        self.assertEqual(self.fleet_version(gateway)["tokens"], "renderer")

    # What the operator says.

    def test_templates_and_arguments_of_the_operator(self):
        template = self.scratch / "own.jinja"
        template.write_text("{{ style }}{% for m in messages %}{% for p in m.content %}{{ p.type }}{% endfor %}{% endfor %}")
        engine = self.folder("engine", {"chat_template": "terse{% for m in messages %}text{% endfor %}"})
        gateway = self.start(engine_tokenizer=engine,
                             model={"chat_template": str(template), "default_chat_template_kwargs": "{\"style\": \"terse\"}"})
        self.assertEqual(self.chat(gateway, CONVERSATIONS[0]), self.last_line(gateway, 1)["predicted_prompt_tokens"])

    def test_a_folder_that_is_no_tokenizer_is_a_complaint_with_its_place(self):
        corrupt = self.folder("corrupt")
        (corrupt / "tokenizer.json").write_text('{"model": {"type": "BPE", "vocab": 5}}')
        broken = self.folder("broken", {"chat_template": "{% if %}"})
        path = self.scratch / "check.yaml"
        for folder, sentence in ((self.scratch / "nowhere", "tokenizer.json"), (corrupt, "model.vocab"), (broken, "line 1")):
            with self.subTest(folder=folder.name):
                path.write_text(config.text(config.gateway(
                    config.pool("main", ["http://127.0.0.1:9"]),
                    models=[config.model("sim", "main", tokenizer=str(folder))])))
                place = next((number, line.index(": ") + 3) for number, line in enumerate(path.read_text().splitlines(), 1)
                             if '"tokenizer"' in line)
                status, _, said = command("check", path)
                self.assertEqual(status, 1, said)
                self.assertTrue(said.startswith(f"{path}:{place[0]}:{place[1]}: "), said)
                self.assertIn(str(folder), said)
                self.assertIn(sentence, said)
                self.assertEqual(said.count("\n"), 1, said)

    def test_arguments_that_are_no_object_are_a_complaint(self):
        path = self.scratch / "check.yaml"
        path.write_text(config.text(config.gateway(
            config.pool("main", ["http://127.0.0.1:9"]),
            models=[config.model("sim", "main", default_chat_template_kwargs="[1]")])))
        status, _, said = command("check", path)
        self.assertEqual(status, 1)
        self.assertIn("`[1]` is no JSON object", said)

    def test_a_reload_takes_a_new_tokenizer_or_keeps_the_old(self):
        folder = self.folder("changing")
        gateway = self.start(gateway_tokenizer=folder)
        self.assertEqual(self.chat(gateway, CONVERSATIONS[0]), self.last_line(gateway, 1)["predicted_prompt_tokens"])
        settings = folder / "tokenizer_config.json"
        good = settings.read_text()
        self.replace(settings, "{")
        gateway.wait_line("was refused, configuration 1 stays")
        self.chat(gateway, CONVERSATIONS[0])
        self.assertEqual(self.last_line(gateway, 2)["tokens"], "exact")
        self.replace(settings, json.dumps({**json.loads(good), "chat_template": "{{ messages[0].content }}"}))
        until("the new template is in use", lambda: gateway.generation() == 2, self.slower(5))
        told = self.chat(gateway, CONVERSATIONS[0])
        self.assertLess(self.last_line(gateway, 3)["predicted_prompt_tokens"], told)

    def test_a_template_that_would_take_too_much_is_refused_and_the_old_one_stays(self):
        folder = self.folder("changing")
        gateway = self.start(gateway_tokenizer=folder)
        settings = folder / "tokenizer_config.json"
        good = json.loads(settings.read_text())
        for refusals, template in enumerate(("{{ x|a" + 120000 * ".a" + " }}", "{{ [1" + 200000 * ",1" + "] }}"), 1):
            self.replace(settings, json.dumps({**good, "chat_template": template}))
            until("it is refused", lambda: gateway.log().count("was refused, configuration 1 stays") == refusals, self.slower(5))
            self.chat(gateway, CONVERSATIONS[0])
            self.assertEqual(self.last_line(gateway, refusals)["tokens"], "exact")

    def test_a_named_template_edited_in_place_is_taken_by_a_reload(self):
        folder = self.folder("named")
        named = folder / "additional_chat_templates" / "tool_use.jinja"
        named.parent.mkdir()
        named.write_text("one")
        gateway = self.start(gateway_tokenizer=folder)
        def predicted(count):
            self.ask(gateway, "/v1/chat/completions", {
                "model": "sim", "max_tokens": 4, "messages": CONVERSATIONS[0],
                "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]})
            return self.last_line(gateway, count)["predicted_prompt_tokens"]
        few = predicted(1)
        named.write_text("one two three four five six")
        until("the new template is in use", lambda: gateway.generation() == 2, self.slower(5))
        self.assertGreater(predicted(2), few)

    def replace(self, path, text):
        """In one step, as a ConfigMap does."""
        fresh = path.with_suffix(".new")
        fresh.write_text(text)
        os.replace(fresh, path)

    # POST /tokenize.

    def test_tokenize_is_answered_by_the_gateway_as_the_engine_would(self):
        gateway = self.start()
        for body in ({"prompt": "Once upon a time"}, {"prompt": ""}, {"prompt": "a", "add_special_tokens": False},
                     *({"messages": messages} for messages in CONVERSATIONS),
                     {"messages": CONVERSATIONS[0], "add_generation_prompt": False},
                     {"messages": CONVERSATIONS[0] + [{"role": "assistant", "content": "It "}],
                      "add_generation_prompt": False, "continue_final_message": True}):
            with self.subTest(body=body):
                status, mine = self.ask(gateway, "/tokenize", {"model": "sim", **body})
                self.assertEqual(status, 200, mine)
                if body.get("prompt") != "":
                    _, theirs = self.ask(gateway, "/tokenize", {"model": "sim", **body}, port=self.sim.port)
                    self.assertEqual((mine["count"], mine["tokens"]), (theirs["count"], theirs["tokens"]))
                self.assertEqual(set(mine), {"count", "max_model_len", "tokens", "token_strs"})
                self.assertEqual(mine["count"], len(mine["tokens"]))

    def test_tokenize_gives_the_strings_that_are_asked_for(self):
        gateway = self.start()
        names = {id: text for text, id in json.loads((TOKENIZER / "tokenizer.json").read_text())["model"]["vocab"].items()}
        names |= {token["id"]: token["content"] for token in json.loads((TOKENIZER / "tokenizer.json").read_text())["added_tokens"]}
        status, got = self.ask(gateway, "/tokenize", {"model": "sim", "prompt": "<|im_start|>h\u00e9llo \u4f60\n", "return_token_strs": True})
        self.assertEqual(status, 200, got)
        self.assertEqual(got["token_strs"], [names[id] for id in got["tokens"]])
        _, got = self.ask(gateway, "/tokenize", {"model": "sim", "prompt": [4294967295, 5], "return_token_strs": True})
        self.assertEqual(got["token_strs"], [None, names[5]])

    def test_tokenize_says_what_is_wrong(self):
        raising = self.folder("raising", {"chat_template": "{{ raise_exception('Roles must alternate') }}"})
        endless = self.folder("endless", {"chat_template":
                                          "{% for a in range(99999) %}{% for b in range(99999) %}{{ b }}{% endfor %}{% endfor %}"})
        gateway = self.gateway(config.gateway(config.pool("main", ["http://127.0.0.1:9"]), models=[
            config.model("with", "main", tokenizer=str(TOKENIZER)), config.model("raising", "main", tokenizer=str(raising)),
            config.model("endless", "main", tokenizer=str(endless)), config.model("without", "main")]))
        hello = [{"role": "user", "content": "hello"}]
        for body, status, sentence in (
                ({"model": "nobody", "prompt": "x"}, 404, "does not exist"),
                ({"model": "without", "prompt": "x"}, 400, "tokenizer"),
                ({"model": "with"}, 400, "no form"),
                ({"model": "with", "prompt": {"a": 1}}, 400, "no form"),
                ({"model": "with", "messages": "hello"}, 400, ""),
                ({"model": "with", "messages": [{"role": "user", "content": [{"type": "hologram"}]}]}, 400, ""),
                ({"model": "raising", "messages": hello}, 400, "Roles must alternate"),
                ({"model": "endless", "messages": hello}, 400, "the chat template takes more ")):
            with self.subTest(body=body):
                got, answer = self.ask(gateway, "/tokenize", body)
                self.assertEqual(got, status, answer)
                self.assertEqual(set(answer["error"]), {"message", "type", "param", "code"})
                self.assertIn(sentence, answer["error"]["message"])
        self.assertEqual(self.ask(gateway, "/tokenize", {"model": "with", "prompt": "x"})[0], 200)

    def test_tokenize_says_whether_a_long_text_may_come_again(self):
        """What could not be done in time if all went well is too large; what was merely late may come again."""
        gateway = self.start(tokens={"budget": "1ms"})
        source = random.Random(5)  # words that do not come again: no cache makes them fast
        letters = "".join(chr(97 + source.randrange(26)) if n % 11 else " " for n in range(200000))
        for text, status, again in ((letters * 2, 413, None), (letters, 503, "1"), ("short", 200, None)):
            link = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=self.slower(10))
            link.request("POST", "/tokenize", json.dumps({"model": "sim", "prompt": text}), {"content-type": "application/json"})
            answer = link.getresponse()
            said = json.loads(answer.read())
            link.close()
            self.assertEqual((answer.status, answer.headers.get("retry-after")), (status, again), said)
            if status != 200:
                self.assertIn("longer than the budget", said["error"]["message"])

    # The command line.

    def test_render_and_blocks_print_a_line_for_each_and_go_on(self):
        requests = "\n".join([json.dumps({"id": 1, "model": "sim", "messages": CONVERSATIONS[0]}), "no json",
                              json.dumps({"id": "b", "messages": 5}), json.dumps({"messages": CONVERSATIONS[1]})]) + "\n"
        status, out, said = command("render", "--tokenizer", TOKENIZER, stdin=requests)
        self.assertEqual(status, 0, said)
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([set(line) for line in lines],
                         [{"id", "text", "ids"}, {"error"}, {"id", "error"}, {"text", "ids"}])
        self.assertEqual(lines[0]["text"], "<|im_start|>user\nTell me about rivers.<|im_end|>\n<|im_start|>assistant\n")
        status, out, said = command("blocks", "--tokenizer", TOKENIZER, "--block-size", 4, stdin=requests)
        self.assertEqual(status, 0, said)
        blocks = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([set(line) for line in blocks],
                         [{"id", "tokens", "keys"}, {"error"}, {"id", "error"}, {"tokens", "keys"}])
        self.assertEqual(blocks[0]["tokens"], len(lines[0]["ids"]))
        self.assertEqual(len(blocks[0]["keys"]), blocks[0]["tokens"] // 4)
        for key in blocks[0]["keys"]:
            self.assertRegex(key, r"^[0-9a-f]{16}$")

    def test_blocks_share_a_beginning_and_nothing_over_salts(self):
        def keys(**body):
            _, out, said = command("blocks", "--tokenizer", TOKENIZER, "--block-size", 4,
                                   stdin=json.dumps({"model": "sim", **body}) + "\n")
            self.assertTrue(out, said)
            return json.loads(out)["keys"]
        one = keys(messages=CONVERSATIONS[0])
        more = keys(messages=CONVERSATIONS[0] + [{"role": "assistant", "content": "Rivers flow."}])
        self.assertGreater(len(more), len(one))
        self.assertEqual(more[: len(one) - 1], one[: len(one) - 1])
        self.assertFalse(set(one) & set(keys(messages=CONVERSATIONS[0], cache_salt="s")))
        self.assertFalse(set(one) & set(keys(messages=CONVERSATIONS[0], model="other")))


if __name__ == "__main__":
    unittest.main()

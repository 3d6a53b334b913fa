"""The simulated engine itself: every path, every form of a stream, every fault, aborts and the cache.

Other scenarios believe what it says; this one does not.
"""
import base64
import hashlib
import json
import struct
import time
import unittest

from lib import tlsfiles
from lib.h2raw import CANCEL, H2Client, request, rst
from lib.harness import BUILD
from lib.rawclient import HOST, RawClient, chat_body, post
from lib.scenario import Scenario
from lib.wait import can_connect, holds, until

TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {
    "city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"type": "string", "enum": ["celsius", "kelvin"]}}}}}
LONG = "the quick answer to a long question is a short story about the river and the forest " * 8


def events(body):
    """[(event name or None, data)] of a stream; every event must be whole."""
    text = body.decode()
    assert text.endswith("\n\n"), text[-80:]
    found = []
    for block in text[:-2].split("\n\n"):
        name, data = None, None
        for line in block.split("\n"):
            key, _, value = line.partition(": ")
            if key == "event":
                name = value
            elif key == "data":
                data = value if value == "[DONE]" else json.loads(value)
        found.append((name, data))
    return found


def chunks(body):
    """The data of a stream that must end with [DONE], without it."""
    found = [data for _, data in events(body)]
    assert found[-1] == "[DONE]", found[-1]
    return found[:-1]


class EngineTest(Scenario):
    def ask(self, engine, body, path=b"/v1/chat/completions", fields=b"", **more):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        with RawClient(engine.port, **more) as client:
            client.send(post(body, path, fields))
            return client.read_answer()

    def get(self, engine, path, **more):
        with RawClient(engine.port, **more) as client:
            client.send(b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n")
            return client.read_answer()

    def chat(self, engine, text="hello", fields=b"", **more):
        return self.ask(engine, chat_body(text=text, **more), fields=fields)

    def metric(self, engine, name):
        text = self.get(engine, b"/metrics").body.decode()
        return next(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))

    def wait_aborts(self, engine, count):
        until(f"{count} aborts", lambda: engine.stats()["aborts"] == count, self.slower(2))
        until("nothing runs", lambda: engine.stats()["running"] == 0, self.slower(2))


class Forms(EngineTest):
    def test_chat_whole_has_vllms_members_and_counts(self):
        answer = self.chat(self.engine(), max_tokens=10)
        self.assertEqual((answer.status, answer.get("content-type")), (200, "application/json"))
        body = answer.json()
        self.assertEqual(list(body), ["id", "object", "created", "model", "choices", "service_tier", "system_fingerprint",
                                      "usage", "prompt_logprobs", "prompt_token_ids", "kv_transfer_params"])
        self.assertTrue(body["id"].startswith("chatcmpl-"))
        message = body["choices"][0]["message"]
        self.assertEqual(message["role"], "assistant")
        self.assertEqual([message[key] for key in ("refusal", "annotations", "audio", "function_call", "tool_calls")],
                         [None, None, None, None, []])
        self.assertEqual(body["choices"][0]["finish_reason"], "length")
        usage = body["usage"]
        self.assertEqual(usage["completion_tokens"], 10)
        self.assertEqual(usage["total_tokens"], usage["prompt_tokens"] + 10)
        self.assertIsNone(usage["prompt_tokens_details"])

    def test_chat_stream_begins_with_the_role_and_ends_with_the_reason_and_done(self):
        answer = self.chat(self.engine(), max_tokens=5, stream=True)
        self.assertEqual(answer.get("content-type"), "text/event-stream; charset=utf-8")
        self.assertEqual(answer.get("transfer-encoding"), "chunked")
        found = chunks(answer.body)
        self.assertEqual(found[0]["choices"][0]["delta"], {"role": "assistant", "content": ""})
        self.assertEqual([chunk["choices"][0]["finish_reason"] for chunk in found], [None] * 5 + ["length"])
        self.assertTrue(all(chunk["object"] == "chat.completion.chunk" and "usage" not in chunk for chunk in found))

    def test_streamed_and_whole_answers_say_the_same(self):
        engine = self.engine()
        whole = self.chat(engine, max_tokens=30).json()["choices"][0]["message"]["content"]
        found = chunks(self.chat(engine, max_tokens=30, stream=True).body)
        self.assertEqual("".join(chunk["choices"][0]["delta"]["content"] for chunk in found), whole)

    def test_usage_comes_in_a_chunk_without_choices_when_asked_for(self):
        found = chunks(self.chat(self.engine(), max_tokens=3, stream=True, stream_options={"include_usage": True}).body)
        self.assertEqual(found[-1]["choices"], [])
        self.assertEqual(found[-1]["usage"]["completion_tokens"], 3)
        self.assertTrue(all("usage" not in chunk for chunk in found[:-1]))

    def test_continuous_usage_is_cumulative_and_on_every_chunk(self):
        options = {"include_usage": True, "continuous_usage_stats": True}
        found = chunks(self.chat(self.engine(), max_tokens=4, stream=True, stream_options=options).body)
        self.assertEqual([chunk["usage"]["completion_tokens"] for chunk in found], [0, 1, 2, 3, 4, 4])

    def test_an_answer_nothing_cuts_short_stops_by_itself(self):
        body = self.chat(self.engine("--tokens", "7")).json()
        self.assertEqual((body["choices"][0]["finish_reason"], body["usage"]["completion_tokens"]), ("stop", 7))
        body = self.chat(self.engine("--tokens", "7"), max_tokens=50, min_tokens=9).json()
        self.assertEqual((body["choices"][0]["finish_reason"], body["usage"]["completion_tokens"]), ("stop", 9))
        body = self.chat(self.engine("--tokens", "7"), max_tokens=50, ignore_eos=True).json()
        self.assertEqual((body["choices"][0]["finish_reason"], body["usage"]["completion_tokens"]), ("length", 50))

    def test_n_answers_have_their_own_words_and_index(self):
        body = self.chat(self.engine(), n=3, max_tokens=8).json()
        self.assertEqual([choice["index"] for choice in body["choices"]], [0, 1, 2])
        self.assertEqual(len({choice["message"]["content"] for choice in body["choices"]}), 3)
        self.assertEqual(body["usage"]["completion_tokens"], 24)
        found = chunks(self.chat(self.engine(), n=2, max_tokens=4, stream=True).body)
        for index in (0, 1):
            mine = [chunk["choices"][0] for chunk in found if chunk["choices"][0]["index"] == index]
            self.assertEqual(len(mine), 5)
            self.assertEqual(mine[-1]["finish_reason"], "length")

    def test_the_seed_and_nothing_else_changes_the_words(self):
        words = [self.chat(self.engine("--seed", seed)).json()["choices"][0]["message"]["content"] for seed in "001"]
        self.assertEqual(words[0], words[1])
        self.assertNotEqual(words[0], words[2])

    def test_a_tool_is_called_when_the_choice_or_the_prompt_demands_it(self):
        engine = self.engine()
        rows = [("please call the tool", {}, True), ("hello", {"tool_choice": "required"}, True),
                ("hello", {"tool_choice": {"type": "function", "function": {"name": "get_weather"}}}, True),
                ("hello", {}, False), ("please call the tool", {"tool_choice": "none"}, False)]
        for text, more, called in rows:
            with self.subTest(text=text, **more):
                choice = self.chat(engine, text, tools=[TOOL], **more).json()["choices"][0]
                self.assertEqual(choice["finish_reason"] == "tool_calls", called)
                self.assertEqual(len(choice["message"]["tool_calls"]), called)
        call = self.chat(engine, "call the tool", tools=[TOOL]).json()["choices"][0]["message"]["tool_calls"][0]
        self.assertEqual((call["type"], call["function"]["name"]), ("function", "get_weather"))
        self.assertEqual(json.loads(call["function"]["arguments"]), {"city": "sample text", "days": 7, "unit": "celsius"})

    def test_a_streamed_tool_call_has_its_name_first_and_its_arguments_in_pieces(self):
        found = chunks(self.chat(self.engine(), "call the tool", tools=[TOOL], stream=True).body)
        calls = [chunk["choices"][0]["delta"]["tool_calls"][0] for chunk in found[1:]]
        self.assertEqual(calls[0]["function"], {"name": "get_weather", "arguments": ""})
        self.assertTrue(calls[0]["id"])
        self.assertGreater(len(calls), 4)
        self.assertEqual(json.loads("".join(call["function"]["arguments"] for call in calls))["days"], 7)
        self.assertEqual(found[-1]["choices"][0]["finish_reason"], "tool_calls")

    def test_reasoning_comes_before_the_content(self):
        engine = self.engine()
        message = self.chat(engine, max_tokens=20, reasoning_effort="low").json()["choices"][0]["message"]
        deltas = [chunk["choices"][0]["delta"] for chunk in
                  chunks(self.chat(engine, max_tokens=20, reasoning_effort="low", stream=True).body)][1:]
        self.assertEqual([list(delta) for delta in deltas], [["reasoning"]] * 5 + [["content"]] * 15)
        for key in ("reasoning", "content"):
            self.assertEqual("".join(delta.get(key, "") for delta in deltas), message[key])
        self.assertIsNone(self.chat(engine).json()["choices"][0]["message"]["reasoning"])

    def test_completions_take_texts_and_ids_one_or_many(self):
        engine = self.engine()
        ids = engine.call("POST", "/tokenize", {"model": "sim", "prompt": "the model"})[1]
        ids = json.loads(ids)["tokens"]
        rows = [("the model", 1), (["the model", "a cache"], 2), (ids, 1), ([ids, ids], 2)]
        for prompt, count in rows:
            with self.subTest(prompt=prompt):
                body = self.ask(engine, {"model": "sim", "prompt": prompt}, b"/v1/completions").json()
                self.assertEqual(body["object"], "text_completion")
                self.assertEqual(len(body["choices"]), count)
                self.assertEqual(body["usage"]["completion_tokens"], 16 * count)
        by_text = self.ask(engine, {"model": "sim", "prompt": "the model"}, b"/v1/completions").json()
        by_ids = self.ask(engine, {"model": "sim", "prompt": ids}, b"/v1/completions").json()
        self.assertEqual(by_text["choices"][0]["text"], by_ids["choices"][0]["text"])

    def test_completions_stream(self):
        body = {"model": "sim", "prompt": "the", "max_tokens": 3, "stream": True, "stream_options": {"include_usage": True}}
        found = chunks(self.ask(self.engine(), body, b"/v1/completions").body)
        self.assertEqual([chunk["choices"][0]["finish_reason"] for chunk in found[:-1]], [None, None, "length"])
        self.assertEqual(found[-1]["usage"], {"prompt_tokens": 1, "total_tokens": 4, "completion_tokens": 3})

    def test_responses_events_have_their_names_numbers_and_order(self):
        body = {"model": "sim", "input": "hello", "stream": True, "max_output_tokens": 200}
        found = events(self.ask(self.engine("--tokens", "3"), body, b"/v1/responses").body)
        self.assertEqual([name for name, _ in found],
                         ["response.created", "response.in_progress", "response.output_item.added",
                          "response.content_part.added"] + ["response.output_text.delta"] * 3
                         + ["response.output_text.done", "response.content_part.done", "response.output_item.done",
                            "response.completed"])
        self.assertEqual([data["sequence_number"] for _, data in found], list(range(len(found))))
        self.assertTrue(all(data["type"] == name for name, data in found))
        text = "".join(data["delta"] for name, data in found if name == "response.output_text.delta")
        done = found[-1][1]["response"]
        self.assertEqual(done["output"][0]["content"][0]["text"], text)
        self.assertEqual((done["status"], done["usage"]["output_tokens"]), ("completed", 3))

    def test_responses_cut_short_are_incomplete(self):
        body = self.ask(self.engine(), {"model": "sim", "input": "hello", "max_output_tokens": 2}, b"/v1/responses").json()
        self.assertEqual((body["status"], body["incomplete_details"]), ("incomplete", {"reason": "max_output_tokens"}))

    def test_responses_call_functions(self):
        tool = {"type": "function", **TOOL["function"]}
        body = {"model": "sim", "stream": True, "tools": [tool],
                "input": [{"role": "user", "content": [{"type": "input_text", "text": "call the tool"}]}]}
        found = events(self.ask(self.engine(), body, b"/v1/responses").body)
        done = next(data for name, data in found if name == "response.function_call_arguments.done")
        pieces = [data["delta"] for name, data in found if name == "response.function_call_arguments.delta"]
        self.assertEqual("".join(pieces), done["arguments"])
        self.assertEqual(found[-1][1]["response"]["output"][0]["name"], "get_weather")

    def test_messages_have_a_block_for_thinking_and_one_for_what_is_said(self):
        engine = self.engine("--tokens", "8")
        body = {"model": "sim", "max_tokens": 200, "messages": [{"role": "user", "content": "hello"}], "output_config": {"effort": "low"}}
        found = events(self.ask(engine, {**body, "stream": True}, b"/v1/messages").body)
        self.assertEqual([name for name, _ in found],
                         ["message_start", "content_block_start"] + ["content_block_delta"] * 2 + ["content_block_stop", "content_block_start"]
                         + ["content_block_delta"] * 6 + ["content_block_stop", "message_delta", "message_stop"])
        self.assertEqual([data["index"] for _, data in found if "index" in data], [0] * 4 + [1] * 8)
        said = ["".join(data["delta"].get(kind, "") for name, data in found if name == "content_block_delta") for kind in ("thinking", "text")]
        whole = self.ask(engine, body, b"/v1/messages").json()
        self.assertEqual([block[block["type"]] for block in whole["content"]], said)
        self.assertEqual((whole["type"], whole["stop_reason"]), ("message", "end_turn"))
        self.assertEqual(whole["usage"], found[-2][1]["usage"])

    def test_messages_call_functions(self):
        tool = {"name": "get_weather", "input_schema": TOOL["function"]["parameters"]}
        body = {"model": "sim", "max_tokens": 200, "tools": [tool], "tool_choice": {"type": "any"},
                "messages": [{"role": "user", "content": [{"type": "text", "text": "how is it?"}]}]}
        engine = self.engine()
        found = events(self.ask(engine, {**body, "stream": True}, b"/v1/messages").body)
        pieces = [data["delta"]["partial_json"] for name, data in found if name == "content_block_delta"]
        whole = self.ask(engine, body, b"/v1/messages").json()
        self.assertEqual(whole["content"][0]["input"], json.loads("".join(pieces)))
        self.assertEqual((whole["content"][0]["name"], whole["stop_reason"]), ("get_weather", "tool_use"))

    def test_embeddings_are_of_length_one_in_both_encodings(self):
        engine = self.engine()
        body = {"model": "sim", "input": ["the cache", "the model"], "dimensions": 8}
        plain = self.ask(engine, body, b"/v1/embeddings").json()
        coded = self.ask(engine, {**body, "encoding_format": "base64"}, b"/v1/embeddings").json()
        self.assertEqual(plain["usage"], {"prompt_tokens": 4, "total_tokens": 4, "completion_tokens": 0,
                                          "prompt_tokens_details": None})
        for a, b in zip(plain["data"], coded["data"]):
            vector = struct.unpack("<8f", base64.b64decode(b["embedding"]))
            self.assertAlmostEqual(sum(x * x for x in vector), 1, places=5)
            for x, y in zip(a["embedding"], vector):
                self.assertAlmostEqual(x, y, places=6)
        self.assertNotEqual(plain["data"][0]["embedding"], plain["data"][1]["embedding"])

    def test_tokenize_and_detokenize_are_inverse(self):
        engine = self.engine()
        text = "The model says: \u00e9t\u00e9 \u4f60\u597d, 42!\n"
        body = self.ask(engine, {"model": "sim", "prompt": text, "return_token_strs": True}, b"/tokenize").json()
        self.assertEqual(body["count"], len(body["tokens"]))
        self.assertEqual(len(body["token_strs"]), body["count"])
        back = self.ask(engine, {"model": "sim", "tokens": body["tokens"]}, b"/detokenize").json()
        self.assertEqual(back["prompt"], text)
        chat = self.ask(engine, {"model": "sim", "messages": [{"role": "user", "content": "hello"}]}, b"/tokenize").json()
        usage = self.chat(engine, "hello").json()["usage"]
        self.assertEqual(chat["count"], usage["prompt_tokens"])

    def test_token_ids_are_returned_when_asked_for(self):
        engine = self.engine()
        whole = self.chat(engine, max_tokens=4, return_token_ids=True).json()
        self.assertEqual(len(whole["prompt_token_ids"]), whole["usage"]["prompt_tokens"])
        found = chunks(self.chat(engine, max_tokens=4, return_token_ids=True, stream=True).body)
        self.assertEqual(found[0]["prompt_token_ids"], whole["prompt_token_ids"])
        self.assertEqual([chunk["choices"][0]["token_ids"][0] for chunk in found[1:]], whole["choices"][0]["token_ids"])

    def test_a_transcription_answers_with_the_forms_model(self):
        body = (b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n\0\1--B?\r\n'
                b'--B\r\nContent-Disposition: form-data; name="model"\r\n\r\nsim\r\n--B--\r\n')
        body = body.replace(b"--B?", b"-B?")
        raw = (b"POST /v1/audio/transcriptions HTTP/1.1\r\n" + HOST + b"Content-Type: multipart/form-data; boundary=B\r\n"
               + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        engine = self.engine()
        with RawClient(engine.port) as client:
            client.send(raw)
            self.assertEqual(client.read_answer().json()["text"], "sim")
            client.send(raw.replace(b"\r\n\r\nsim\r\n", b"\r\n\r\nsam\r\n"))
            self.assertEqual(client.read_answer().status, 404)


class Surface(EngineTest):
    def test_models_health_version_and_load(self):
        engine = self.engine("--model", "alias")
        cards = self.get(engine, b"/v1/models").json()["data"]
        self.assertEqual([(card["id"], card["root"], card["owned_by"]) for card in cards],
                         [("sim", "sim", "vllm"), ("alias", "sim", "vllm")])
        health = self.get(engine, b"/health")
        self.assertEqual((health.status, health.body), (200, b""))
        self.assertIn("version", self.get(engine, b"/version").json())
        self.assertEqual(self.get(engine, b"/load").json(), {"server_load": 0})
        self.assertEqual(self.get(engine, b"/nowhere").status, 404)
        self.assertEqual(self.get(engine, b"/v1/chat/completions").status, 405)

    def test_wrong_requests_are_refused_in_vllms_form(self):
        engine = self.engine("--max-model-len", "100")
        message = [{"role": "user", "content": "hello"}]
        rows = [(b"{", 400, "BadRequestError"), (b"[]", 400, "BadRequestError"), ({"model": "sim"}, 400, "BadRequestError"),
                ({"model": "other", "messages": message}, 404, "NotFoundError"),
                ({"model": 7, "messages": message}, 400, "BadRequestError"),
                ({"messages": message, "stream": "yes"}, 400, "BadRequestError"),
                ({"messages": message, "n": 0}, 400, "BadRequestError"),
                ({"messages": message, "max_tokens": 101}, 400, "BadRequestError"),
                ({"messages": message, "stream_options": {"include_usage": True}}, 400, "BadRequestError"),
                ({"messages": message, "tool_choice": "required"}, 400, "BadRequestError"),
                ({"messages": [{"content": "no role"}]}, 400, "BadRequestError"),
                ({"messages": message, "cache_salt": ""}, 400, "BadRequestError")]
        for body, status, kind in rows:
            with self.subTest(body=body):
                answer = self.ask(engine, body)
                self.assertEqual(answer.status, status, answer)
                error = answer.json()["error"]
                self.assertEqual((error["type"], error["param"], error["code"]), (kind, None, status))
        self.assertIn("`other`", self.ask(engine, {"model": "other", "messages": message}).json()["error"]["message"])

    def test_the_key_guards_v1_only(self):
        engine = self.engine("--api-key", "secret")
        answer = self.chat(engine)
        self.assertEqual((answer.status, answer.json()), (401, {"error": "Unauthorized"}))
        self.assertEqual(self.chat(engine, fields=b"Authorization: Bearer secret\r\n").status, 200)
        self.assertEqual(self.chat(engine, fields=b"Authorization: Bearer secre\r\n").status, 401)
        self.assertEqual(self.get(engine, b"/health").status, 200)
        self.assertEqual(self.ask(engine, {"prompt": "the"}, b"/tokenize").status, 200)

    def test_metrics_have_vllms_names_and_move(self):
        engine = self.engine("--block-size", "32", "--blocks", "1000")
        self.chat(engine, max_tokens=5)
        text = self.get(engine, b"/metrics").body.decode()
        for line in ('vllm:num_requests_running{engine="0",model_name="sim"} 0',
                     'vllm:generation_tokens_total{engine="0",model_name="sim"} 5',
                     'vllm:request_success_total{engine="0",finished_reason="length",model_name="sim"} 1',
                     'vllm:request_success_total{engine="0",finished_reason="abort",model_name="sim"} 0'):
            self.assertIn(line, text)
        config = next(line for line in text.splitlines() if line.startswith("vllm:cache_config_info{"))
        self.assertIn('block_size="32"', config)
        self.assertIn('num_gpu_blocks="1000"', config)

    def test_admin_paths_work_and_are_counted(self):
        engine = self.engine()
        self.assertEqual(self.ask(engine, b"", b"/sleep?level=1").status, 200)
        self.assertEqual(self.get(engine, b"/is_sleeping").json(), {"is_sleeping": True})
        self.assertEqual(self.chat(engine).status, 503)
        self.assertEqual(self.get(engine, b"/health").status, 200)
        self.assertEqual(self.ask(engine, b"", b"/wake_up").status, 200)
        self.assertEqual(self.chat(engine).status, 200)
        for path in (b"/pause", b"/resume", b"/reset_prefix_cache", b"/collective_rpc", b"/update_weights"):
            self.assertEqual(self.ask(engine, b"", path).status, 200)
        self.assertEqual(engine.stats()["admin_calls"], 8)

    def test_an_adapter_is_a_model_with_a_cache_of_its_own(self):
        engine = self.engine()
        self.assertEqual(self.chat(engine, model="sql").status, 404)
        load = {"lora_name": "sql", "lora_path": "/adapters/sql"}
        answer = self.ask(engine, load, b"/v1/load_lora_adapter")
        self.assertEqual(answer.body, b"Success: LoRA adapter 'sql' added successfully.")
        self.assertEqual(self.ask(engine, load, b"/v1/load_lora_adapter").status, 400)
        self.assertEqual(self.get(engine, b"/v1/models").json()["data"][1]["parent"], "sim")
        self.chat(engine, LONG)
        self.assertIsNone(self.chat(engine, LONG, model="sql").json()["usage"]["prompt_tokens_details"])
        self.assertTrue(self.chat(engine, LONG, model="sql").json()["usage"]["prompt_tokens_details"])
        self.assertEqual(self.ask(engine, load, b"/v1/unload_lora_adapter").status, 200)
        self.assertEqual(self.ask(engine, load, b"/v1/unload_lora_adapter").status, 404)

    def test_the_request_id_is_part_of_the_answers_id(self):
        answer = self.chat(self.engine("--enable-request-id-headers"), fields=b"X-Request-Id: abc-1\r\n")
        self.assertEqual(answer.json()["id"], "chatcmpl-abc-1")
        self.assertEqual(answer.get("x-request-id"), "abc-1")

    def test_echo_tells_the_request_back(self):
        engine = self.engine()
        body = bytes(range(256)) * 100
        answer = self.ask(engine, body, b"/any/path?q=1", b"x-echo: 1\r\nX-Mixed: \xff\r\n").json()
        self.assertEqual((answer["method"], answer["path"], answer["authority"]), ("POST", "/any/path?q=1", "sluice.test"))
        self.assertIn(["x-mixed", "\u00ff"], answer["headers"])
        self.assertEqual(answer["body_length"], len(body))
        self.assertEqual(answer["body_sha256"], hashlib.sha256(body).hexdigest())

    def test_without_allow_faults_there_is_no_way_to_disturb(self):
        engine = self.engine(faults=False)
        self.assertEqual(self.chat(engine, fields=b"x-fault: status\r\nx-echo: 1\r\n").status, 200)
        self.assertEqual(engine.call("POST", "/debug/fault", {"kind": "status"})[0], 404)

    def test_an_idle_connection_is_closed_in_time_and_kept_until_then(self):
        engine = self.engine("--keep-alive-ms", "400")
        with RawClient(engine.port) as client:
            client.send(post(chat_body()))
            self.assertEqual(client.read_answer().status, 200)
            self.assertFalse(client.is_closed_within(0.1))
            self.assertTrue(client.is_closed_within(self.slower(2)))

    def test_http2_by_preface_and_by_alpn(self):
        authority = tlsfiles.Authority(self.scratch)
        certificate, key = authority.issue("engine")
        plain, tls = self.engine(), self.engine("--tls-cert", certificate, "--tls-key", key)
        self.assertEqual(H2Client(plain.port).ask(1, chat_body()).status, 200)
        with H2Client(tls.port, tls=tlsfiles.client_context(authority)) as client:
            found = chunks(client.ask(1, chat_body(stream=True, max_tokens=3), scheme="https").body)
            self.assertEqual(len(found), 4)
        with RawClient(tls.port, tls=tlsfiles.client_context(authority, alpn=("http/1.1",))) as client:
            client.send(post(chat_body()))
            self.assertEqual(client.read_answer().status, 200)

    def test_help_and_wrong_flags(self):
        import subprocess
        done = subprocess.run([BUILD / "sluice-engine", "--help"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0)
        for word in ("--block-size", "--time-scale", "reset-inside"):
            self.assertIn(word, done.stdout)
        for flags in (["--nothing"], ["--blocks"], ["--blocks", "0"], ["--time-scale", "fast"], ["--tls-cert", "x"], ["word"]):
            with self.subTest(flags=flags):
                done = subprocess.run([BUILD / "sluice-engine", *flags], capture_output=True, text=True)
                self.assertEqual(done.returncode, 2, done.stderr)


class Model(EngineTest):
    def test_the_next_turn_finds_the_first_ones_blocks(self):
        engine = self.engine("--tokens", "40")
        messages = [{"role": "system", "content": LONG}, {"role": "user", "content": "hello"}]
        first = self.ask(engine, {"messages": messages}).json()
        self.assertIsNone(first["usage"]["prompt_tokens_details"])
        messages += [first["choices"][0]["message"], {"role": "user", "content": "and then?"}]
        second = self.ask(engine, {"messages": messages}).json()
        computed = first["usage"]["total_tokens"] - 1  # the last token was said, not computed
        self.assertEqual(second["usage"]["prompt_tokens_details"], {"cached_tokens": computed // 16 * 16})
        self.assertEqual(engine.stats()["cached_tokens"], computed // 16 * 16)

    def test_the_same_prompt_finds_all_but_its_last_block(self):
        engine = self.engine("--block-size", "8")
        prompt = self.chat(engine, LONG).json()["usage"]["prompt_tokens"]
        again = self.chat(engine, LONG).json()["usage"]["prompt_tokens_details"]["cached_tokens"]
        self.assertEqual(again, (prompt - 1) // 8 * 8)

    def test_salts_share_nothing(self):
        engine = self.engine()
        self.chat(engine, LONG, cache_salt="a")
        self.assertIsNone(self.chat(engine, LONG, cache_salt="b").json()["usage"]["prompt_tokens_details"])
        self.assertTrue(self.chat(engine, LONG, cache_salt="a").json()["usage"]["prompt_tokens_details"])

    def test_cached_tokens_can_be_kept_secret(self):
        engine = self.engine("--no-enable-prompt-tokens-details")
        self.chat(engine, LONG)
        self.assertIsNone(self.chat(engine, LONG).json()["usage"]["prompt_tokens_details"])

    def test_time_passes_as_the_model_says(self):
        engine = self.engine(time_scale=1, faults=True)
        start = time.monotonic()
        self.chat(engine, "hello", max_tokens=20)
        took = time.monotonic() - start
        self.assertGreater(took, 20 * 0.012)
        self.assertLess(took, self.slower(20 * 0.0125 + 0.1))

    def test_a_full_engine_lets_others_wait(self):
        engine = self.engine("--max-num-seqs", "2", time_scale=1)
        clients = [self.client(engine) for _ in range(5)]
        for client in clients:
            client.send(post(chat_body(max_tokens=1000, stream=True)))
        until("three wait", lambda: engine.stats()["waiting"] == 3)
        self.assertEqual(engine.stats()["running"], 2)
        self.assertEqual(self.metric(engine, "vllm:num_requests_waiting{"), 3)
        for client in clients:
            client.close()
        self.wait_aborts(engine, 5)


class Aborts(EngineTest):
    def busy(self, *args):
        return self.engine("--tokens", "100000", *args, time_scale=0.1)

    def test_a_client_that_leaves_a_stream_aborts_it_at_once(self):
        for leave in ("close", "reset", "half_close"):
            with self.subTest(leave=leave):
                engine = self.busy()
                client = self.client(engine)
                client.send(post(chat_body(stream=True)))
                client.read_head()
                until("it runs", lambda: engine.stats()["running"] == 1)
                getattr(client, leave)()
                self.wait_aborts(engine, 1)
                stats = engine.stats()
                self.assertEqual((stats["in_flight"], stats["free_blocks"]), (0, 19200))
                self.assertEqual(self.metric(engine, 'vllm:request_success_total{engine="0",finished_reason="abort"'), 1)

    def test_a_client_that_leaves_a_whole_answer_or_the_queue_aborts_it_too(self):
        engine = self.busy("--max-num-seqs", "1")
        running, waiting = self.client(engine), self.client(engine)
        running.send(post(chat_body()))
        until("one runs", lambda: engine.stats()["running"] == 1)
        waiting.send(post(chat_body()))
        until("one waits", lambda: engine.stats()["waiting"] == 1)
        waiting.close()
        until("one abort", lambda: engine.stats()["aborts"] == 1)
        self.assertEqual(engine.stats()["running"], 1)
        running.close()
        self.wait_aborts(engine, 2)

    def test_a_reset_http2_stream_aborts_only_its_own(self):
        engine = self.busy()
        with H2Client(engine.port) as client:
            client.send(request(1, chat_body(stream=True)) + request(3, chat_body(stream=True)))
            until("both run", lambda: engine.stats()["running"] == 2)
            client.send(rst(1, CANCEL))
            until("one abort", lambda: engine.stats()["aborts"] == 1)
            self.assertEqual(engine.stats()["running"], 1)
        self.wait_aborts(engine, 2)

    def test_a_slow_client_stops_its_stream_but_not_the_engine(self):
        engine = self.engine("--tokens", "20000", time_scale=0)
        slow = self.client(engine, receive_buffer=4096)
        slow.send(post(chat_body(stream=True)))
        until("all is computed", lambda: engine.stats()["generation_tokens"] == 20000, self.slower(40))
        self.assertEqual(engine.stats()["in_flight"], 1)
        self.assertLess(engine.rss_kb(), 150000)
        self.assertEqual(self.chat(engine, max_tokens=3).status, 200)
        found = chunks(slow.read_answer().body)
        self.assertEqual(len(found), 20001)
        self.assertEqual(engine.stats()["aborts"], 0)


class Faults(EngineTest):
    def struck(self, engine, fault, **more):
        """A client whose request carries the fault."""
        client = self.client(engine)
        client.send(post(chat_body(max_tokens=10, **more), fields=b"x-fault: " + fault + b"\r\n"))
        return client

    def assert_unhurt(self, engine):
        self.assertEqual(self.chat(engine, max_tokens=3).status, 200)
        until("nothing is left", lambda: engine.stats()["in_flight"] == 0, self.slower(2))
        self.assertEqual(engine.stats()["running"], 0)

    def test_before_the_head_the_connection_is_reset_or_closed(self):
        engine = self.engine()
        for fault, end in ((b"reset-head", "reset"), (b"close-head", "closed")):
            with self.subTest(fault=fault):
                client = self.struck(engine, fault)
                self.assertEqual((client.read_to_end(), client.ended), (b"", end))
        self.assert_unhurt(engine)
        self.assertEqual(engine.stats()["aborts"], 0)

    def test_inside_and_between_events_the_connection_is_reset_or_closed(self):
        engine = self.engine()
        for fault, whole, end in ((b"reset-events=2", True, "reset"), (b"reset-inside=2", False, "reset"),
                                  (b"close-events=2", True, "closed")):
            with self.subTest(fault=fault):
                answer = (client := self.struck(engine, fault, stream=True)).read_answer()
                self.assertEqual((answer.status, answer.complete, client.ended), (200, False, end))
                body = answer.body
                self.assertEqual(body.count(b"\n\n"), 2, body)
                self.assertEqual(body.endswith(b"\n\n"), whole, body)
                self.assertNotIn(b"[DONE]", body)
        self.assert_unhurt(engine)

    def test_a_stalled_head_waits_for_ever_or_as_long_as_it_is_told(self):
        engine = self.engine()
        start = time.monotonic()
        self.assertEqual(self.struck(engine, b"stall-head=200").read_answer().status, 200)
        self.assertGreaterEqual(time.monotonic() - start, 0.2)
        client = self.struck(engine, b"stall-head")
        self.assertTrue(holds(lambda: engine.stats()["in_flight"] == 1, 0.3))
        client.close()
        self.wait_aborts(engine, 1)
        self.assert_unhurt(engine)

    def test_a_stalled_stream_goes_on_without_a_loss(self):
        engine = self.engine()
        expected = chunks(self.chat(engine, max_tokens=10, stream=True).body)
        start = time.monotonic()
        answer = self.struck(engine, b"stall-events=2:200", stream=True).read_answer()
        self.assertGreaterEqual(time.monotonic() - start, 0.2)
        self.assertEqual([chunk["choices"] for chunk in chunks(answer.body)], [chunk["choices"] for chunk in expected])
        client = self.struck(engine, b"stall-events=2", stream=True)
        client.read_head()
        self.assertEqual([bool(client.read_chunk()) for _ in range(1)], [True])
        self.assertTrue(holds(lambda: engine.stats()["in_flight"] == 1, 0.2))
        client.close()
        self.assert_unhurt(engine)

    def test_errors_instead_of_an_answer(self):
        engine = self.engine()
        for fault, status, retry in ((b"status", 500, None), (b"status=429", 429, None), (b"busy=7", 503, "7")):
            answer = self.struck(engine, fault).read_answer()
            self.assertEqual((answer.status, answer.get("retry-after")), (status, retry))
            self.assertEqual(answer.json()["error"]["code"], status)
        self.assert_unhurt(engine)

    def test_an_error_inside_a_stream_comes_before_done(self):
        engine = self.engine()
        for count in (0, 3):
            found = chunks(self.struck(engine, b"error-events=%d" % count, stream=True).read_answer().body)
            self.assertEqual(len(found), count + 1)
            self.assertEqual(found[-1]["error"]["code"], 500)
        self.assert_unhurt(engine)

    def test_what_is_no_http_is_sent_as_it_is(self):
        engine = self.engine()
        client = self.struck(engine, b"malformed-head")
        self.assertEqual(client.read_to_end(), b"HTTP/1.1 2x0 Fine\r\ncontent-length: many\r\n\r\n")
        client = self.struck(engine, b"malformed-chunk=2", stream=True)
        self.assertEqual(client.read_head()[0], 200)
        rest = client.read_to_end()
        self.assertTrue(rest.endswith(b"\n\n\r\nzz\r\ndata: {}\n\n\r\n"), rest)
        self.assertEqual(rest.count(b"chat.completion.chunk"), 2)
        with H2Client(engine.port) as h2:
            h2.send(request(1, chat_body(), extra=[("x-fault", "malformed-head")]))
            self.assertTrue(h2.is_closed_within(self.slower(2)))
        self.assert_unhurt(engine)

    def test_a_whole_answer_is_cut_in_half(self):
        engine = self.engine()
        client = self.struck(engine, b"truncate")
        status, fields = client.read_head()
        length, body = int(dict(fields)["content-length"]), client.read_to_end()
        self.assertEqual((status, len(body), client.ended), (200, length // 2, "closed"))
        self.assert_unhurt(engine)

    def test_a_stream_ends_without_its_last_event(self):
        engine = self.engine()
        answer = self.struck(engine, b"no-done", stream=True).read_answer()
        self.assertTrue(answer.complete)
        self.assertNotIn(b"[DONE]", answer.body)
        self.assertEqual(events(answer.body)[-1][1]["choices"][0]["finish_reason"], "length")

    def test_events_are_cut_at_odd_bytes_and_nothing_is_lost(self):
        engine = self.engine()
        expected = chunks(self.chat(engine, max_tokens=2, stream=True).body)
        client = self.client(engine)
        client.send(post(chat_body(max_tokens=2, stream=True), fields=b"x-fault: split-events=5\r\n"))
        client.read_head()
        pieces = []
        while piece := client.read_chunk():
            pieces.append(piece)
        self.assertTrue(all(len(piece) <= 5 for piece in pieces), pieces)
        self.assertEqual([chunk["choices"] for chunk in chunks(b"".join(pieces))], [chunk["choices"] for chunk in expected])

    def test_an_event_can_be_huge(self):
        engine = self.engine()
        found = chunks(self.struck(engine, b"huge-event=2:300000", stream=True).read_answer().body)
        self.assertEqual(len(found), 12)
        self.assertEqual(len(found[2]["choices"][0]["delta"]["content"]), 300000)
        self.assert_unhurt(engine)

    def test_a_slow_reader_holds_the_sender_back(self):
        engine = self.engine()
        body = chat_body(text="x" * 20000, max_tokens=2)
        start = time.monotonic()
        answer = self.ask(engine, body, fields=b"x-fault: slow-read=1000\r\n")
        self.assertEqual(answer.status, 200)
        self.assertGreater(time.monotonic() - start, 0.15)
        self.assert_unhurt(engine)

    def test_connections_are_refused_for_a_while(self):
        engine = self.engine()
        client = self.client(engine)
        client.send(post(chat_body()))
        self.assertEqual(client.read_answer().status, 200)
        engine.fault("refuse=500")
        self.assertFalse(can_connect(engine.port))
        self.assertTrue(client.is_closed_within(self.slower(1)))
        until("it listens again", lambda: can_connect(engine.port), self.slower(3))
        self.assert_unhurt(engine)

    def test_steps_take_longer_from_now_on(self):
        engine = self.engine()
        engine.fault("slow=100")
        start = time.monotonic()
        self.assertEqual(self.chat(engine, max_tokens=8).status, 200)
        self.assertGreater(time.monotonic() - start, 8 * 0.012 * 0.01 * 100)
        engine.fault("slow=1")
        self.assert_unhurt(engine)

    def test_rules_strike_as_often_and_where_they_say(self):
        engine = self.engine()
        engine.fault("status", count=2)
        engine.fault("status=503", path="/health", count=1)
        self.assertEqual([self.chat(engine).status for _ in range(3)], [500, 500, 200])
        self.assertEqual([self.get(engine, b"/health").status for _ in range(2)], [503, 200])
        engine.fault("status", count=-1, probability=0.5)
        failed = sum(self.chat(engine, max_tokens=1).status == 500 for _ in range(60))
        self.assertTrue(10 <= failed <= 50, failed)
        engine.fault("none")
        self.assertEqual([self.chat(engine).status for _ in range(3)], [200] * 3)
        self.assertEqual(engine.stats()["faults"], 3 + failed)

    def test_unknown_faults_are_complained_about(self):
        engine = self.engine()
        for fault in (b"nonsense", b"status=x", b"stall-events=1:y"):
            self.assertEqual(self.struck(engine, fault).read_answer().status, 400)
        for body in ({"kind": "nonsense"}, {}, {"kind": 7}):
            self.assertEqual(engine.call("POST", "/debug/fault", body)[0], 400)


if __name__ == "__main__":
    unittest.main()

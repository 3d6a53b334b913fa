"""The OpenAI API as clients see it: models, routes, errors, and what engines keep to themselves."""
import json
import unittest

from lib import config
from lib.rawclient import HOST, chat, chat_body, post
from lib.scenario import Scenario
from lib.wait import until

# What steers an engine (facts of vLLM and SGLang); none of it may be reached, whatever the method.
ADMIN_PATHS = ("/sleep", "/wake_up", "/is_sleeping", "/pause", "/resume", "/load_lora_adapter", "/unload_lora_adapter", "/v1/load_lora_adapter",
               "/v1/unload_lora_adapter", "/reset_prefix_cache", "/collective_rpc", "/server_info", "/start_profile", "/stop_profile", "/abort_requests",
               "/update_weights", "/scale_elastic_ep", "/flush_cache", "/metrics", "/version", "/docs", "/openapi.json", "/tokenizer_info",
               "/inference/v1/generate", "/debug/stats", "/debug/fault", "/release_memory_occupation", "/set_internal_state", "/load", "/invocations",
               "/v1/models/load", "/v1/realtime", "/v1/no/such/path", "/", "/v2", "/api/pull", "/api/delete")


class Api(Scenario):
    def ask(self, gateway, raw, method=b"POST"):
        client = self.client(gateway)
        client.send(raw)
        got = client.read_answer(method)
        client.close()
        return got

    def get(self, gateway, path):
        return self.ask(gateway, b"GET " + path.encode() + b" HTTP/1.1\r\n" + HOST + b"\r\n", b"GET")

    def post(self, gateway, path, body):
        return self.ask(gateway, post(json.dumps(body).encode(), path=path.encode()))

    def two_pools(self, *engine_args):
        """Two models in two pools, the first with an alias."""
        small, large = self.engine("--tokens", "6", *engine_args, model="small"), self.engine("--tokens", "6", *engine_args, model="large")
        return self.gateway(config.gateway([config.pool("a", [small.url]), config.pool("b", [large.url])], models=[
            config.model("small", "a", aliases=["tiny", "gpt-3.5"]), config.model("large", "b")])), small, large


class Models(Api):
    def test_models_are_merged_over_all_pools_with_aliases(self):
        gateway, _, _ = self.two_pools()
        got = self.get(gateway, "/v1/models")
        self.assertEqual(got.status, 200)
        whole = got.json()
        self.assertEqual(whole["object"], "list")
        self.assertEqual({card["id"] for card in whole["data"]}, {"small", "tiny", "gpt-3.5", "large"})
        for card in whole["data"]:
            self.assertEqual(card["object"], "model")
            self.assertIsInstance(card["created"], int)
            self.assertIsInstance(card["owned_by"], str)

    def test_one_model_can_be_asked_for(self):
        gateway, _, _ = self.two_pools()
        self.assertEqual(self.get(gateway, "/v1/models/tiny").json()["id"], "tiny")
        self.assert_openai_error(self.get(gateway, "/v1/models/nobody"), 404, "model_not_found")

    def test_an_alias_is_the_model_and_the_engine_hears_its_name(self):
        gateway, small, large = self.two_pools()
        for name, engine in (("small", small), ("tiny", small), ("gpt-3.5", small), ("large", large)):
            with self.subTest(name=name):
                before = engine.stats()["requests"]
                got = self.post(gateway, "/v1/chat/completions", {"model": name, "messages": [{"role": "user", "content": "hi"}]})
                self.assertEqual(got.status, 200, got)
                self.assertGreater(engine.stats()["requests"], before)

    def test_only_the_models_name_is_changed_in_the_body(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder, models=[config.model("real/model", "main", aliases=["alias"])])
        raw = b'{ "x" : [1.0, "\\u0041", 1e3] ,"model"\t:\n "alias" , "messages":[{"role":"user","content":"alias model"}],"y":null }'
        self.assertEqual(self.ask(gateway, post(raw)).status, 200)
        self.assertEqual(recorder.requests[0].body, raw.replace(b'\n "alias"', b'\n "real/model"'))

    def test_an_unknown_model_is_404_in_openais_form(self):
        gateway, _, _ = self.two_pools()
        for path, body in (("/v1/chat/completions", {"messages": []}), ("/v1/completions", {"prompt": "x"}), ("/v1/embeddings", {"input": "x"}),
                           ("/v1/responses", {"input": "x"})):
            with self.subTest(path=path):
                got = self.post(gateway, path, {"model": "nobody", **body})
                self.assert_openai_error(got, 404, "model_not_found")
                self.assertIn("nobody", got.json()["error"]["message"])
                self.assertEqual(got.json()["error"]["type"], "invalid_request_error")

    def test_a_star_takes_what_no_other_model_takes(self):
        small, rest = self.recorder(), self.recorder()
        gateway = self.gateway(config.gateway([config.pool("a", [small.url]), config.pool("b", [rest.url])], models=[
            config.model("small", "a"), config.model("*", "b")]))
        for name in ("small", "other", "small", "anything/else:1"):
            self.assertEqual(self.ask(gateway, chat(model=name)).status, 200)
        self.assertEqual((len(small.requests), len(rest.requests)), (2, 2))
        self.assertIn(b'"anything/else:1"', rest.requests[1].body)


class Routes(Api):
    def test_each_dialects_route_is_served(self):
        gateway, _, _ = self.two_pools()
        for path, body, expected in (
                ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}, "chat.completion"),
                ("/v1/completions", {"prompt": "hi"}, "text_completion"),
                ("/v1/embeddings", {"input": "hi"}, "list"),
                ("/v1/responses", {"input": "hi"}, "response")):
            with self.subTest(path=path):
                got = self.post(gateway, path, {"model": "small", **body})
                self.assertEqual(got.status, 200, got)
                self.assertEqual(got.json()["object"], expected)

    def test_usage_is_counted_on_every_route(self):
        gateway, _, _ = self.two_pools()
        for path, body in (("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}), ("/v1/completions", {"prompt": "hi"}),
                           ("/v1/embeddings", {"input": "hi"}), ("/v1/responses", {"input": "hi"})):
            for stream in (False, True):
                if stream and path == "/v1/embeddings":
                    continue
                with self.subTest(path=path, stream=stream):
                    before = gateway.metrics().total("sluice_tokens_total", type="input")
                    got = self.post(gateway, path, {"model": "small", "stream": stream, **body})
                    self.assertEqual(got.status, 200, got)
                    until("tokens are counted", lambda: gateway.metrics().total("sluice_tokens_total", type="input") > before)
        self.assertEqual(gateway.metrics().total("sluice_usage_missing_total"), 0)

    def test_a_responses_stream_has_its_own_end(self):
        gateway, _, _ = self.two_pools()
        got = self.post(gateway, "/v1/responses", {"model": "small", "input": "hi", "stream": True})
        self.assertTrue(got.complete)
        self.assertIn(b"event: response.created", got.body)
        self.assertIn(b"event: response.completed", got.body)
        self.assertNotIn(b"[DONE]", got.body)

    def test_tool_calls_pass(self):
        gateway, _, _ = self.two_pools()
        tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]
        body = {"model": "small", "messages": [{"role": "user", "content": "call the tool"}], "tools": tools, "tool_choice": "required"}
        whole = self.post(gateway, "/v1/chat/completions", body).json()["choices"][0]
        self.assertEqual(whole["finish_reason"], "tool_calls")
        self.assertEqual(whole["message"]["tool_calls"][0]["function"]["name"], "weather")
        got = self.post(gateway, "/v1/chat/completions", {**body, "stream": True})
        self.assertIn(b'"tool_calls"', got.body)
        self.assertTrue(got.body.endswith(b"data: [DONE]\n\n"))

    def test_audio_is_routed_by_its_forms_model(self):
        gateway, small, large = self.two_pools()
        for name, engine in (("small", small), ("large", large)):
            form = (f'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n{name}\r\n--b\r\nContent-Disposition: form-data; name="file"; '
                    'filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n--b--\r\n').encode()
            got = self.ask(gateway, b"POST /v1/audio/transcriptions HTTP/1.1\r\n" + HOST + b"Content-Type: multipart/form-data; boundary=b\r\n"
                           b"Content-Length: %d\r\n\r\n" % len(form) + form)
            self.assertEqual(got.status, 200, got)
            self.assertIn(name, got.json()["text"])

    def test_an_alias_in_a_form_is_replaced(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder, models=[config.model("whisper-large", "main", aliases=["whisper-1"])])
        form = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n%s\r\n--b--\r\n'
        sent = form % b"whisper-1"
        got = self.ask(gateway, b"POST /v1/audio/transcriptions HTTP/1.1\r\n" + HOST + b"Content-Type: multipart/form-data; boundary=b\r\n"
                       b"Content-Length: %d\r\n\r\n" % len(sent) + sent)
        self.assertEqual(got.status, 200, got)
        self.assertEqual(recorder.requests[0].body, form % b"whisper-large")

    def test_what_steers_an_engine_cannot_be_reached(self):
        for models in ([config.model("sim", "main")], [config.model("*", "main")], [config.model("*", "main", inspect=False)]):
            recorder = self.recorder()
            gateway = self.in_front_of(recorder, models=models)
            for path in ADMIN_PATHS:
                if path == "/v1/no/such/path" and models[0]["name"] == "*":
                    continue
                with self.subTest(path=path, model=models[0]):
                    for raw in (b"GET " + path.encode() + b" HTTP/1.1\r\n" + HOST + b"\r\n", post(chat_body(), path=path.encode())):
                        got = self.ask(gateway, raw)
                        self.assertIn(got.status, (404, 405))
                        if not path.startswith("/api/"):  # Ollama's errors have a form of their own
                            self.assert_openai_error(got, got.status)
            self.assertEqual(recorder.received(), b"")
            gateway.stop()

    def test_health_is_the_gateways_own(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        self.assertEqual(self.get(gateway, "/health").status, 200)
        self.assertEqual(recorder.received(), b"")

    def test_a_wrong_method_is_405(self):
        gateway, _, _ = self.two_pools()
        for method, path, allow in (("GET", "/v1/chat/completions", "POST"), ("DELETE", "/v1/models", "GET, HEAD"), ("PUT", "/v1/files/f", "POST, GET, DELETE")):
            with self.subTest(method=method, path=path):
                got = self.ask(gateway, f"{method} {path} HTTP/1.1\r\n".encode() + HOST + b"\r\n", method.encode())
                self.assert_openai_error(got, 405)
                self.assertEqual(got.get("allow"), allow)

    def test_a_path_prefix_of_an_endpoint_is_put_in_front(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder.url + "/serve/llm")
        self.assert_serves(gateway)
        self.assertEqual(recorder.requests[0].target, "/serve/llm/v1/chat/completions")


class Errors(Api):
    def test_an_engines_error_passes_as_it_is(self):
        engine = self.engine(model="sim")
        gateway = self.in_front_of(engine)
        got = self.post(gateway, "/v1/chat/completions", {"model": "sim", "messages": "no list"})
        self.assertEqual(got.status, 400)
        self.assertEqual(got.json()["error"]["type"], "BadRequestError")

    def test_errors_of_our_own_are_whole_and_single(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder, models=[config.model("sim", "main")])
        for raw, status in ((post(b"{"), 400), (post(b'{"messages":[]}'), 400), (chat(model="nobody"), 404),
                            (b"GET /nowhere HTTP/1.1\r\n" + HOST + b"\r\n", 404)):
            got = self.ask(gateway, raw)
            self.assert_openai_error(got, status)
            self.assertEqual(int(got.get("content-length")), len(got.body))
            self.assertRegex(got.get("x-request-id"), "^.+$")

    def test_an_unsupported_media_type_says_what_is_taken(self):
        gateway = self.in_front_of(self.recorder())
        for path, media, says in (("/v1/chat/completions", "application/x-www-form-urlencoded", "application/json"),
                                  ("/v1/audio/transcriptions", "application/json", "multipart/form-data"),
                                  ("/v1/rerank", "text/plain", "application/json.* or multipart/form-data")):
            with self.subTest(path=path):
                raw = f"POST {path} HTTP/1.1\r\ncontent-type: {media}\r\ncontent-length: 2\r\n".encode() + HOST + b"\r\n{}"
                got = self.ask(gateway, raw)
                self.assert_openai_error(got, 415)
                self.assertRegex(got.json()["error"]["message"], says)

    def test_every_refusal_has_an_access_line(self):
        gateway = self.in_front_of(self.recorder(), models=[config.model("sim", "main")])
        self.ask(gateway, chat(model="nobody"))
        self.ask(gateway, chat())
        until("two lines", lambda: len(gateway.access_lines()) == 2)
        first, second = gateway.access_lines()
        self.assertEqual((first["status"], first["reason"]), (404, "model_not_found"))
        self.assertEqual((second["status"], second["reason"], second["model"], second["pool"]), (200, "done", "sim", "main"))
        self.assertEqual(second["attempts"], 1)
        self.assertGreater(second["duration_ms"], 0)
        self.assertEqual((second["prompt_tokens"], second["output_tokens"]), (3, 1))


if __name__ == "__main__":
    unittest.main()

"""Gateway and routing rows of the security inventory: G-01 to G-05, G-07, G-10, G-11, G-13."""
import json
import threading
import time
import unittest

from lib import config
from lib.rawclient import HOST, JSON, chat, chat_body, post
from lib.recorder import DONE_EVENT, LAST_CHUNK, ROLE_EVENT, SSE_HEAD, STOP_EVENT, always, answer, chunk, event, once
from lib.scenario import Scenario
from lib.wait import until

STEERING = ("x-gateway-destination-endpoint", "x-gateway-destination-endpoint-subset", "x-prefiller-host-port", "x-prefiller-url",
            "x-data-parallel-host-port", "x-data-parallel-rank", "x-encoder-hosts-ports", "x-kv-cache-source-host-port", "x-sluice-endpoint",
            "x-sluice-class", "x-sluice-explain")


class Steering(Scenario):
    def setUp(self):
        super().setUp()
        self.endpoint, self.inside = self.recorder(), self.recorder()

    def ask(self, gateway, raw):
        client = self.client(gateway)
        client.send(raw)
        return client.read_answer()

    def test_steering_fields_of_untrusted_clients_reach_nobody(self):
        """G-01"""
        gateway = self.in_front_of(self.endpoint)
        there = f"127.0.0.1:{self.inside.port}".encode()
        fields = b"".join(name.encode() + b": " + there + b"\r\n" for name in STEERING)
        self.assertEqual(self.ask(gateway, chat(fields=fields)).status, 200)
        self.assertEqual(self.inside.connections, [], "a client's destination was dialled")
        for name in STEERING:
            self.assertEqual(self.endpoint.requests[0].all(name), [], name)

    def test_a_trusted_peer_may_pin_members_only(self):
        other = self.recorder()
        gateway = self.in_front_of(self.endpoint, other, listener={"trusted": True})
        name = self.ask(gateway, chat()).get("x-sluice-endpoint").encode()
        before = len(self.endpoint.requests), len(other.requests)
        for _ in range(4):
            got = self.ask(gateway, chat(fields=b"x-sluice-endpoint: " + name + b"\r\n"))
            self.assertEqual((got.status, got.get("x-sluice-endpoint")), (200, name.decode()))
        moved = len(self.endpoint.requests) - before[0], len(other.requests) - before[1]
        self.assertIn(moved, ((4, 0), (0, 4)), "the pin was not kept")
        got = self.ask(gateway, chat(fields=b"x-sluice-endpoint: 127.0.0.1:%d\r\n" % self.inside.port))
        self.assertIn(got.status, (200, 400, 404, 503))
        self.assertEqual(self.inside.connections, [], "no member was dialled")

    def test_destinations_in_the_body_are_refused(self):
        """G-02"""
        gateway = self.in_front_of(self.endpoint)
        there = f"127.0.0.1:{self.inside.port}"
        for name, value in (("api_base", f"http://{there}"), ("base_url", f"http://{there}"), ("kv_transfer_params", {"remote_host": "127.0.0.1", "remote_port": self.inside.port})):
            with self.subTest(name=name):
                got = self.ask(gateway, chat(**{name: value}))
                self.assert_openai_error(got, 400)
                self.assertIn(name, got.json()["error"]["param"])
        self.assertEqual(self.endpoint.received() + self.inside.received(), b"")

    def test_a_named_host_is_never_dialled(self):
        """G-03"""
        gateway = self.in_front_of(self.endpoint)
        for target in ("169.254.169.254", "localhost", f"127.0.0.1:{self.inside.port}", f"[::ffff:127.0.0.1]:{self.inside.port}"):
            with self.subTest(target=target):
                raw = chat_body()
                got = self.ask(gateway, b"POST http://%s/v1/chat/completions HTTP/1.1\r\n" % target.encode() + HOST + JSON
                               + b"Content-Length: %d\r\n\r\n" % len(raw) + raw)
                self.assertIn(got.status, (200, 400, 404, 421))
                stream = self.h2(gateway).ask(1, raw, authority=target)
                self.assertIn(stream.status, (200, 400, 404, 421))
        self.assertEqual(self.inside.connections, [])

    def test_forwarding_fields_of_untrusted_clients_are_replaced(self):
        """G-04"""
        gateway = self.in_front_of(self.endpoint)
        fields = (b"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\nForwarded: for=6.6.6.6\r\n"
                  b"X-Real-IP: 6.6.6.6\r\n")
        self.assertEqual(self.ask(gateway, chat(fields=fields)).status, 200)
        self.assertNotIn(b"6.6.6.6", self.endpoint.received())
        self.assertNotIn(b"evil.test", self.endpoint.received())
        until("the line is written", lambda: gateway.access_lines())
        self.assertNotIn("6.6.6.6", json.dumps(gateway.access_lines()))

    def test_a_trusted_peers_forwarding_fields_are_appended_to(self):
        gateway = self.in_front_of(self.endpoint, listener={"trusted": True})
        self.assertEqual(self.ask(gateway, chat(fields=b"X-Forwarded-For: 10.1.2.3\r\nX-Forwarded-Proto: https\r\n")).status, 200)
        request = self.endpoint.requests[0]
        self.assertTrue(", ".join(request.all("x-forwarded-for")).startswith("10.1.2.3"), request.fields)
        self.assertEqual(request.get("x-forwarded-proto"), "https")

    def test_a_request_id_is_made_or_kept_and_echoed(self):
        gateway = self.in_front_of(self.endpoint, listener={"trusted": True})
        got = self.ask(gateway, chat())
        self.assertRegex(got.get("x-request-id"), r"^[0-9A-Za-z-]{8,}$")
        self.assertEqual(self.endpoint.requests[0].get("x-request-id"), got.get("x-request-id"))
        kept = self.ask(gateway, chat(fields=b"x-request-id: client-made-1\r\n"))
        self.assertEqual(kept.get("x-request-id"), "client-made-1")
        other = self.ask(gateway, chat())
        self.assertNotEqual(other.get("x-request-id"), got.get("x-request-id"))

    def test_an_untrusted_clients_request_id_is_replaced(self):
        gateway = self.in_front_of(self.endpoint)
        got = self.ask(gateway, chat(fields=b"x-request-id: client-made-1\r\n"))
        self.assertNotEqual(got.get("x-request-id"), "client-made-1")
        self.assertNotIn(b"client-made-1", self.endpoint.received())

    def test_a_trace_context_is_passed_on(self):
        gateway = self.in_front_of(self.endpoint)
        trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        self.ask(gateway, chat(fields=b"traceparent: " + trace + b"\r\ntracestate: a=b\r\n"))
        request = self.endpoint.requests[0]
        self.assertIn("0af7651916cd43dd8448eb211c80319c", request.get("traceparent"))
        self.assertEqual(request.get("tracestate"), "a=b")

    def test_names_that_look_alike_are_no_identity(self):
        """G-05"""
        gateway = self.in_front_of(self.endpoint, listener={"trusted": True}, tenant_header="x-tenant")
        got = self.ask(gateway, chat(fields=b"X_Tenant: evil\r\nX-Tenant: good\r\n"))
        self.assertIn(got.status, (200, 400))
        self.assertNotIn(b"evil", self.endpoint.received())
        got = self.ask(gateway, chat(fields=b"X-Tenant: a\r\nx-tenant: b\r\n"))
        self.assert_openai_error(got, 400)
        stream = self.h2(gateway).ask(1, chat_body(), extra=[("x-tenant", "a"), ("x-tenant", "b")])
        self.assertEqual(stream.status, 400)

    def test_a_tenant_from_an_untrusted_client_counts_for_nothing(self):
        gateway = self.in_front_of(self.endpoint, tenant_header="x-tenant")
        self.ask(gateway, chat(fields=b"x-tenant: somebody\r\n"))
        until("the line is written", lambda: gateway.access_lines())
        self.assertNotIn("somebody", json.dumps(gateway.access_lines()))


class Retries(Scenario):
    """G-07: no request is sent twice when it may have been taken, none without a budget."""

    def test_nothing_is_retried_once_content_has_been_passed_on(self):
        seen = threading.Event()

        def script(connection):
            connection.read_request()
            connection.send(SSE_HEAD + chunk(ROLE_EVENT + event("a")))
            seen.wait(5)  # and no end
        recorders = [self.recorder(script), self.recorder(script)]
        gateway = self.in_front_of(*recorders)
        client = self.client(gateway)
        client.send(chat(stream=True))
        client.read_head()
        body = client.read_chunk()
        self.assertIn(b'"a"', body)
        seen.set()
        while piece := client.read_chunk():
            body += piece
        self.assertIn(b'"error"', body)
        self.assertNotIn(b"[DONE]", body)
        self.assertEqual(sum(len(r.requests) for r in recorders), 1)

    def test_attempts_are_bounded_and_counted(self):
        recorders = [self.recorder(once(close=True)) for _ in range(6)]
        gateway = self.in_front_of(*recorders, pool={"retry": {"attempts": 3}})
        client = self.client(gateway)
        client.send(chat())
        self.assert_openai_error(client.read_answer(), 502)
        self.assertEqual(sum(len(r.requests) for r in recorders), 3)
        self.assertEqual(gateway.metrics().total("sluice_retries_total"), 2)

    def test_a_budget_stops_retries_of_a_failing_pool(self):
        recorders = [self.recorder(once(close=True)) for _ in range(3)]
        gateway = self.in_front_of(*recorders, pool={"retry": {"attempts": 3, "budget": 20}})
        asked = 120
        for _ in range(asked):
            client = self.client(gateway)
            client.send(chat())
            self.assertIn(client.read_answer().status, (502, 503))
            client.close()
        metrics = gateway.metrics()
        self.assertGreater(metrics.total("sluice_retries_refused_total"), 0)
        self.assertLess(metrics.total("sluice_retries_total"), asked * 0.2 + 30)

    def test_a_body_that_was_streamed_and_not_kept_is_sent_once(self):
        """inspect: off keeps the first 128 KB only."""
        def script(connection):
            connection.read_until(b"\r\n\r\n", 0)
            connection.read_bytes(400000)
            connection.abort()
        recorders = [self.recorder(script), self.recorder(script)]
        gateway = self.in_front_of(*recorders, models=[config.model("*", "main", inspect=False)])
        client = self.client(gateway)
        client.send(post(chat_body(text="x" * 2000000)))
        got = client.read_answer()
        self.assertTrue(got is None or got.status == 502, got)
        self.assertEqual(sum(len(r.connections) for r in recorders), 1)

    def test_503_with_retry_after_goes_to_another_endpoint_first(self):
        busy = self.recorder(always(answer(b'{"error":{"message":"busy"}}', b"503 Service Unavailable", b"retry-after: 1\r\ncontent-type: application/json\r\n")))
        free = self.recorder()
        gateway = self.in_front_of(busy, free)
        for _ in range(6):
            self.assert_serves(gateway)
        self.assertEqual(len(free.requests), 6)


class Admin(Scenario):
    """G-10"""

    def test_admin_paths_are_not_on_the_data_port(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        for path in (b"/metrics", b"/healthz", b"/readyz", b"/config", b"/fleet", b"/exchanges", b"/v1/../metrics", b"/v1/%2e%2e/metrics", b"//metrics",
                     b"/metrics/", b"/;/metrics", b"/%6detrics", b"/v1/metrics", b"/v1/models/..%2f..%2fmetrics"):
            with self.subTest(path=path):
                client = self.client(gateway)
                client.send(b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"\r\n")
                got = client.read_answer()
                self.assertIn(got.status, (400, 404, 405))
                self.assertNotIn(b"sluice_", got.body)
        self.assertEqual(recorder.received(), b"")

    def test_data_paths_are_not_on_the_admin_port(self):
        recorder = self.recorder()
        gateway = self.in_front_of(recorder)
        client = self.client(gateway.admin_port)
        client.send(chat())
        self.assertIn(client.read_answer().status, (404, 405))
        self.assertEqual(recorder.received(), b"")

    def test_every_admin_path_answers(self):
        gateway = self.in_front_of(self.recorder())
        self.assert_serves(gateway)
        for path, kind in (("/healthz", None), ("/readyz", None), ("/metrics", None), ("/fleet", dict), ("/config", dict), ("/exchanges", None)):
            with self.subTest(path=path):
                status, text = gateway.admin(path)
                self.assertEqual(status, 200, text)
                if kind:
                    self.assertIsInstance(json.loads(text), kind)

    def test_the_metrics_say_when_the_process_started(self):
        before = time.time()
        gateway = self.in_front_of(self.recorder())
        self.assertTrue(before - 1 <= gateway.metrics().total("sluice_start_time_seconds") <= time.time())

    def test_the_configuration_shown_has_no_secret(self):
        (self.scratch / "engine.key").write_text("sk-very-secret\n")
        recorder = self.recorder()
        gateway = self.in_front_of(recorder, pool={"key_file": "engine.key"})
        client = self.client(gateway)
        client.send(chat(fields=b"Authorization: Bearer sk-the-clients-own\r\n"))
        self.assertEqual(client.read_answer().status, 200)
        self.assertEqual(recorder.requests[0].all("authorization"), ["Bearer sk-very-secret"])
        until("the line is written", lambda: gateway.access_lines())
        everything = "".join(gateway.admin(path)[1] for path in ("/config", "/fleet", "/exchanges", "/metrics")) + gateway.log()
        everything += (self.scratch / "access.log").read_text()
        for secret in ("sk-very-secret", "sk-the-clients-own"):
            self.assertNotIn(secret, everything)


class Reload(Scenario):
    def test_a_reload_during_streams_leaves_them_alone(self):
        """G-11; test_reload has the rest."""
        go_on = threading.Event()

        def script(connection):
            connection.read_request()
            connection.send(SSE_HEAD + chunk(ROLE_EVENT + event("before")))
            go_on.wait(10)
            connection.send(chunk(event("after") + STOP_EVENT + DONE_EVENT) + LAST_CHUNK)
            connection.wait_end()
        recorder = self.recorder(script)
        gateway = self.in_front_of(recorder)
        client = self.client(gateway)
        client.send(chat(stream=True))
        client.read_head()
        until("the first event", lambda: b"before" in client.rest or not client.fill())
        for broken in ("listeners: [\n", "no_such_key: 1\n", "listeners: []\npools: []\n"):
            mark = len(gateway.lines)
            gateway.write(broken)
            gateway.reload()
            until("the reload was looked at", lambda: len(gateway.lines) > mark, self.slower(5))
            self.assertEqual(gateway.admin_status("/readyz"), 200)
        go_on.set()
        body = b""
        while piece := client.read_chunk():
            body += piece
        self.assertIn(b"after", body)
        self.assertIn(b"[DONE]", body)


class Answers(Scenario):
    def test_internal_fields_of_answers_stay_inside(self):
        """G-13"""
        fields = (b"content-type: application/json\r\nConnection: x-internal\r\nx-internal: 1\r\nkeep-alive: timeout=5\r\nset-cookie: model=1\r\n"
                  b"x-gateway-destination-endpoint-served: 10.0.0.1\r\nx-gateway-destination-endpoint: 10.0.0.1\r\nendpoint-load-metrics: 1\r\n"
                  b"x-sluice-endpoint: evil\r\nx-kept: 1\r\nupgrade: h2c\r\nproxy-authenticate: x\r\n")
        recorder = self.recorder(always(answer(fields=fields)))
        gateway = self.in_front_of(recorder)
        client = self.client(gateway)
        client.send(chat())
        got = client.read_answer()
        for name in ("x-internal", "set-cookie", "x-gateway-destination-endpoint-served", "x-gateway-destination-endpoint", "endpoint-load-metrics",
                     "x-sluice-endpoint", "upgrade", "proxy-authenticate", "keep-alive"):
            self.assertEqual(got.all(name), [], name)
        self.assertEqual(got.get("x-kept"), "1")

    def test_single_fields_stay_single(self):
        """production-stack#998: a second Server, a second Date."""
        recorder = self.recorder(always(answer(fields=b"content-type: application/json\r\nserver: uvicorn\r\ndate: Mon, 01 Jan 2024 00:00:00 GMT\r\n")))
        gateway = self.in_front_of(recorder)
        client = self.client(gateway)
        client.send(chat())
        got = client.read_answer()
        for name in ("server", "date", "content-type"):
            self.assertLessEqual(len(got.all(name)), 1, name)


if __name__ == "__main__":
    unittest.main()

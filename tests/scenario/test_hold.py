"""Requests that wait in the gateway: who goes first, who is refused, what a waiting client hears, and that nothing leaks."""
import json
import random
import signal
import socket
import threading
import unittest

from lib import config, h2raw
from lib.rawclient import chat, chat_body, post
from lib.recorder import DONE_EVENT, LAST_CHUNK, ROLE_EVENT, SSE_HEAD, STOP_EVENT, answer, chunk, event
from lib.scenario import Scenario
from lib.wait import free_port, holds, until

STREAM = ROLE_EVENT + event("good") + STOP_EVENT + DONE_EVENT
COMMENT = b": keep-alive\n\n"
CLASSES = [{"name": "urgent", "rank": 5}, {"name": "batch", "rank": -1, "sheddable": True}]


def field(name, value):
    return f"{name}: {value}\r\n".encode()


class Hold(Scenario):
    """One endpoint with room for one request, which answers when the test lets it."""

    def setUp(self):
        super().setUp()
        self.gate = threading.Semaphore(0)
        self.addCleanup(self.open_gate)

    def open_gate(self):
        self.gate.release(10000)

    def gated(self, connection):
        self.gated_by(self.gate, connection)

    def gated_by(self, gate, connection):
        while request := connection.read_request():
            gate.acquire(timeout=20)
            if b'"stream": true' in request.body:
                connection.send(SSE_HEAD + chunk(STREAM) + LAST_CHUNK)
            else:
                connection.send(answer())

    def start(self, *endpoints, pool=None, **top):
        self.endpoint = None if endpoints else self.recorder(self.gated)
        top = {"listener": {"trusted": True}, "tenant_header": "x-tenant", "classes": CLASSES, **top}
        return self.in_front_of(*(endpoints or [self.endpoint]), pool={"concurrency": 1, **(pool or {})}, **top)

    def waiting(self, gateway, count):
        until(f"{count} wait", lambda: gateway.metrics().total("sluice_pool_waiting") == count, self.slower(5))

    def ask(self, gateway, text="hello", fields=b"", **more):
        client = self.client(gateway, timeout=self.slower(10))
        client.send(chat(text=text, fields=fields, **more))
        return client

    def occupy(self, gateway):
        """The endpoint's only place is taken."""
        before = len(self.endpoint.requests)
        client = self.ask(gateway, "first")
        self.endpoint.wait_requests(before + 1)
        return client

    def order(self):
        """What reached the endpoint, in order, without the request that occupied it."""
        return [json.loads(request.body)["messages"][0]["content"] for request in self.endpoint.requests][1:]

    def in_turn(self, gateway, asked):
        """Sends (text, fields) while the endpoint is taken; the order in which it gets them."""
        clients = [self.occupy(gateway)]
        for text, fields in asked:
            clients.append(self.ask(gateway, text, fields))
            self.waiting(gateway, len(clients) - 1)
        self.open_gate()
        for client in clients:
            self.assertEqual(client.read_answer().status, 200)
        return self.order()


class Order(Hold):
    def test_the_highest_rank_goes_first_whichever_worker_serves_it(self):
        for workers in (1, 4):
            with self.subTest(workers=workers):
                self.gate = threading.Semaphore(0)
                gateway = self.start(workers=workers)
                asked = [("batch", field("x-sluice-class", "batch")), ("usual", b""), ("unheard-of", field("x-sluice-class", "none")),
                         ("urgent", field("x-sluice-class", "urgent"))]
                self.assertEqual(self.in_turn(gateway, asked), ["urgent", "usual", "unheard-of", "batch"])

    def test_a_stranger_chooses_no_class(self):
        gateway = self.start(listener={})
        self.assertEqual(self.in_turn(gateway, [("usual", b""), ("urgent", field("x-sluice-class", "urgent"))]), ["usual", "urgent"])

    def test_the_class_default_is_of_who_names_none(self):
        gateway = self.start(classes=[{"name": "default", "rank": 3}, {"name": "later", "rank": 2}])
        self.assertEqual(self.in_turn(gateway, [("later", field("x-sluice-class", "later")), ("usual", b"")]), ["usual", "later"])
        lines = until("their lines", lambda: (lambda lines: len(lines) == 3 and lines)(gateway.access_lines()), self.slower(3))
        self.assertEqual(sorted(line["class"] for line in lines), ["default", "default", "later"])

    def test_tenants_take_turns(self):
        gateway = self.start(hold={"fairness": "0ms"}, workers=4)
        asked = [(f"many-{i}", field("x-tenant", "many")) for i in range(3)] + [("few", field("x-tenant", "few"))]
        self.assertEqual(self.in_turn(gateway, asked), ["many-0", "few", "many-1", "many-2"])

    def test_answers_are_service_too(self):
        """Eight answers a request are eight times the decoding: the other tenant has three turns for one of these."""
        gateway = self.start(hold={"fairness": "0ms"}, workers=4)
        clients = [self.occupy(gateway)]
        for text, tenant, choices in [("a1", "a", 8), ("a2", "a", 8), ("b1", "b", 1), ("b2", "b", 1), ("b3", "b", 1)]:
            clients.append(self.ask(gateway, text, field("x-tenant", tenant), n=choices))
            self.waiting(gateway, len(clients) - 1)
        self.open_gate()
        for client in clients:
            self.assertEqual(client.read_answer().status, 200)
        self.assertEqual(self.order(), ["a1", "b1", "b2", "b3", "a2"])

    def test_a_newcomer_does_not_go_before_those_that_wait(self):
        """Room comes and a request with it: it asks at the home of its pool, where others are first."""
        gateway = self.start(workers=4)
        first, second = self.occupy(gateway), self.ask(gateway, "second")
        self.waiting(gateway, 1)
        clients = [first, second]
        for i in range(20):
            self.gate.release()
            clients.append(self.ask(gateway, f"late-{i}" + 1000 * "."))  # longer: a shorter one may go first
        self.open_gate()
        for client in clients:
            self.assertEqual(client.read_answer().status, 200)
        self.assertEqual(self.order()[0], "second")


class Refusals(Hold):
    def assert_refused(self, client, reason, gateway):
        got = client.read_answer()
        self.assert_openai_error(got, 429)
        self.assertGreaterEqual(int(got.get("retry-after")), 1)
        self.assertEqual(gateway.metrics().by("sluice_requests_shed_total", "reason").get(reason), 1)

    def test_a_tenant_has_its_part_of_the_queue_and_no_more(self):
        gateway = self.start(hold={"queue": 4, "tenant_share": 0.5}, workers=4)
        clients = [self.occupy(gateway)] + [self.ask(gateway, fields=field("x-tenant", "many")) for _ in range(2)]
        self.waiting(gateway, 2)
        self.assert_refused(self.ask(gateway, fields=field("x-tenant", "many")), "tenant_queue_full", gateway)
        clients += [self.ask(gateway, fields=field("x-tenant", f"few-{i}")) for i in range(2)]
        self.waiting(gateway, 4)
        self.assert_refused(self.ask(gateway, fields=field("x-tenant", "late")), "queue_full", gateway)
        self.open_gate()
        self.assertEqual([client.read_answer().status for client in clients], [200] * 5)
        gateway.wait_line("requests are refused: too many of your requests wait")

    def test_who_names_no_tenant_has_the_whole_queue(self):
        gateway = self.start(hold={"queue": 8}, workers=2)
        clients = [self.occupy(gateway)]
        for count, text in enumerate(["batch"] * 3 + ["urgent"] * 2, 1):
            clients.append(self.ask(gateway, text, field("x-sluice-class", text)))
            self.waiting(gateway, count)
        self.open_gate()
        self.assertEqual([client.read_answer().status for client in clients], [200] * 6)
        self.assertEqual(self.order(), ["urgent"] * 2 + ["batch"] * 3)

    def test_a_tenants_part_makes_way_for_its_own_higher_rank(self):
        gateway = self.start(hold={"queue": 8}, workers=2)
        tenant = field("x-tenant", "one")
        clients = [self.occupy(gateway)]
        for count in (1, 2):
            clients.append(self.ask(gateway, f"batch-{count}", tenant + field("x-sluice-class", "batch")))
            self.waiting(gateway, count)
        clients.append(self.ask(gateway, "urgent", tenant + field("x-sluice-class", "urgent")))
        self.assert_refused(clients.pop(2), "tenant_queue_full", gateway)
        self.open_gate()
        self.assertEqual([client.read_answer().status for client in clients], [200] * 3)
        self.assertEqual(self.order(), ["urgent", "batch-1"])

    def test_a_full_queue_makes_way_for_a_higher_rank(self):
        gateway = self.start(hold={"queue": 2, "tenant_share": 1}, workers=4)
        clients = [self.occupy(gateway)]
        for count in (1, 2):
            clients.append(self.ask(gateway, f"batch-{count}", field("x-sluice-class", "batch")))
            self.waiting(gateway, count)
        clients.append(self.ask(gateway, "urgent", field("x-sluice-class", "urgent")))
        self.assert_refused(clients.pop(2), "queue_full", gateway)
        self.open_gate()
        self.assertEqual([client.read_answer().status for client in clients], [200] * 3)
        self.assertEqual(self.order(), ["urgent", "batch-1"])

    def test_a_flood_of_one_tenant_leaves_another_its_turn(self):
        """G-08: a hundred times what is let in; another tenant's request goes second."""
        gateway = self.start(hold={"queue": 20}, workers=2)
        clients = [self.occupy(gateway)]
        flood = [self.ask(gateway, "flood", field("x-tenant", "many")) for _ in range(100)]
        self.waiting(gateway, 5)
        until("the rest is refused", lambda: gateway.metrics().total("sluice_requests_shed_total") == 95, self.slower(5))
        clients.append(self.ask(gateway, "other", field("x-tenant", "few")))
        self.waiting(gateway, 6)
        self.open_gate()
        self.assertEqual([client.read_answer().status for client in clients], [200, 200])
        statuses = [client.read_answer().status for client in flood]
        self.assertEqual((statuses.count(200), statuses.count(429)), (5, 95))
        self.assertLessEqual(self.order().index("other"), 1)

    def test_a_flood_of_made_up_credentials_from_one_address_leaves_others_their_turn(self):
        """G-08 without anybody who vouches: each request of the flood is a tenant of its own; it has half of the queue, and 16 turns."""
        gateway = self.start(listener={}, hold={"queue": 80}, workers=2)
        clients = [self.occupy(gateway)]
        flood = [self.ask(gateway, "flood", field("authorization", f"Bearer {i}")) for i in range(120)]
        self.waiting(gateway, 40)
        until("the rest is refused", lambda: gateway.metrics().total("sluice_requests_shed_total") == 80, self.slower(5))
        other = self.client(gateway, timeout=self.slower(10), address="127.0.0.2")
        other.send(chat(text="other", fields=field("authorization", "Bearer other")))
        self.waiting(gateway, 41)
        self.open_gate()
        self.assertEqual([client.read_answer().status for client in (*clients, other)], [200, 200])
        statuses = [client.read_answer().status for client in flood]
        self.assertEqual((statuses.count(200), statuses.count(429)), (40, 80))
        self.assertLessEqual(self.order().index("other"), 16)

    def test_a_sheddable_request_is_refused_when_its_wait_would_be_too_long(self):
        """Nothing has moved for five seconds: what came then would wait for longer than a second."""
        gateway = self.start(hold={"deadline": "1s"})
        clients = [self.occupy(gateway), self.ask(gateway)]
        self.waiting(gateway, 1)
        batch = field("x-sluice-class", "batch")

        def shed():
            return gateway.metrics().by("sluice_requests_shed_total", "reason").get("shed", 0)

        def refused():
            before = gateway.metrics().total("sluice_pool_waiting")
            clients.append(self.ask(gateway, fields=batch))
            until("it is held or refused", lambda: shed() or gateway.metrics().total("sluice_pool_waiting") > before, self.slower(5))
            return shed()
        until("one is refused", refused, self.slower(12))
        got = clients.pop().read_answer()
        self.assert_openai_error(got, 429)
        self.assertGreater(int(got.get("retry-after")), 1)
        clients.append(self.ask(gateway))  # one that is not sheddable is held all the same
        self.open_gate()
        self.assertEqual({client.read_answer().status for client in clients}, {200})


class Ends(Hold):
    def test_a_client_that_leaves_waits_no_more(self):
        gateway = self.start(workers=4)
        first, leaver, stayer = self.occupy(gateway), self.ask(gateway, "leaves"), self.ask(gateway, "stays")
        self.waiting(gateway, 2)
        leaver.close()
        self.waiting(gateway, 1)
        self.open_gate()
        self.assertEqual((first.read_answer().status, stayer.read_answer().status), (200, 200))
        self.assertEqual(self.order(), ["stays"])

    def test_clients_that_come_and_leave_at_any_moment_leave_no_place_taken(self):
        """Some leave while their release is on its way to them: the place that was kept is given back."""
        gateway = self.start(self.engine("--tokens", "4"), pool={"concurrency": 2}, workers=4, hold={"queue": 30, "tenant_share": 1})
        chance = random.Random(4)
        for _ in range(20):
            clients = [self.ask(gateway, stream=chance.random() < 0.5) for _ in range(20)]
            for client in clients:
                if chance.random() < 0.7:
                    client.reset() if chance.random() < 0.5 else client.close()
                else:
                    client.read_head()
                    client.close()
        gateway.wait_settled()
        self.assert_serves(gateway)

    def test_the_longest_wait(self):
        gateway = self.start(pool={"timeouts": {"queue": "300ms"}}, workers=4)
        first, late = self.occupy(gateway), self.ask(gateway)
        self.assert_openai_error(late.read_answer(), 503)
        self.waiting(gateway, 0)
        self.open_gate()
        self.assertEqual(first.read_answer().status, 200)

    def test_a_drain_lets_those_that_wait_have_their_turn(self):
        self.settles = False
        gateway = self.start(workers=4, drain_timeout="20s")
        clients = [self.occupy(gateway)] + [self.ask(gateway) for _ in range(4)]
        self.waiting(gateway, 4)
        gateway.signal(signal.SIGTERM)
        gateway.wait_line("draining, 5 exchanges")
        self.open_gate()
        self.assertEqual([client.read_answer().status for client in clients], [200] * 5)
        self.assertEqual(gateway.wait(self.slower(5)), 0)

    def test_a_stop_while_many_wait_ends_well(self):
        self.settles = False
        gateway = self.start(workers=4, drain_timeout="200ms")
        self.occupy(gateway)
        for _ in range(20):
            self.ask(gateway, stream=True)
        self.waiting(gateway, 20)
        gateway.signal(signal.SIGTERM)
        self.assertEqual(gateway.wait(self.slower(5)), 0)


class Drain(Hold):
    """Those that are held when drain_timeout is over: no engine has had them, and their clients hear so."""

    settles = False

    def drain(self, *ways_to_ask, workers=4, held=None):
        """Those that asked in these ways and are held; their time is up."""
        gateway = self.start(workers=workers, drain_timeout="300ms", hold={"keepalive": "100ms"})
        self.occupy(gateway)
        clients = [ask(gateway) for ask in ways_to_ask]
        self.waiting(gateway, held or len(clients))
        gateway.signal(signal.SIGTERM)
        return gateway, clients

    def in_stream(self, gateway):
        client = self.ask(gateway, stream=True)
        self.assertEqual(client.read_head()[0], 200)
        self.assertEqual(client.read_chunk(), COMMENT)
        return client

    def assert_told(self, body):
        said = body.replace(COMMENT, b"")
        self.assertTrue(said.startswith(b"data: {"), body)
        self.assertEqual(json.loads(said[6:])["error"]["type"], "server_error")
        self.assertNotIn(b"[DONE]", said)

    def test_a_held_request_gets_a_503_and_when_to_ask_again(self):
        for workers in (1, 4):
            with self.subTest(workers=workers):
                gateway, clients = self.drain(*[self.ask] * 20, workers=workers)
                for client in clients:
                    got = client.read_answer()
                    self.assert_openai_error(got, 503)
                    self.assertGreaterEqual(int(got.get("retry-after")), 1)
                    self.assertEqual(got.get("connection"), "close")
                    self.assertTrue(client.is_closed_within(self.slower(2)))
                self.assertEqual(gateway.wait(self.slower(5)), 0)
                self.assertEqual([line["reason"] for line in gateway.access_lines()], ["draining"] * 21)
                self.assertEqual(len(self.endpoint.requests), 1)

    def test_it_is_said_in_the_stream_where_that_has_begun(self):
        gateway, clients = self.drain(*[self.in_stream] * 5)
        for client in clients:
            body = b""
            while piece := client.read_chunk():
                body += piece
            self.assertEqual(piece, b"", "the stream was cut off")
            self.assert_told(body)
            self.assertTrue(client.is_closed_within(self.slower(2)))
        self.assertEqual(gateway.wait(self.slower(5)), 0)

    def test_each_stream_of_an_http2_connection_is_told(self):
        def two(gateway):
            link = self.h2(gateway, timeout=self.slower(10))
            link.send(h2raw.request(1, chat_body()) + h2raw.request(3, chat_body(stream=True)))
            link.read_until(lambda l: COMMENT in l.stream(3).body)
            return link
        gateway, [link] = self.drain(two, held=2)
        refused, told = link.wait(1), link.wait(3)
        self.assertEqual((refused.status, refused.get("retry-after"), refused.reset), (503, "1", None))
        self.assertIsNone(told.reset)
        self.assert_told(told.body)
        link.wait_end(self.slower(2))
        self.assertEqual(link.goaway, h2raw.NO_ERROR)
        self.assertEqual(gateway.wait(self.slower(5)), 0)

    def test_a_stream_under_way_is_told_as_well(self):
        def endless(connection):
            connection.read_request()
            connection.send(SSE_HEAD + chunk(ROLE_EVENT + event("more")))
            connection.wait_end()
        gateway = self.start(self.recorder(endless), drain_timeout="100ms")
        client = self.ask(gateway, stream=True)
        client.read_head()
        self.assertIn(b"more", client.read_chunk())
        gateway.signal(signal.SIGTERM)
        self.assert_told(client.read_chunk())
        self.assertEqual(client.read_chunk(), b"")
        self.assertEqual(gateway.wait(self.slower(5)), 0)

    def test_a_client_that_takes_nothing_holds_up_nobody(self):
        def endless(connection):
            connection.read_request()
            connection.send(SSE_HEAD)
            while True:
                connection.send(chunk(event("x" * 60000)))
        gateway = self.start(self.recorder(endless), drain_timeout="100ms")
        client = self.client(gateway, receive_buffer=4096)
        client.send(chat(stream=True))
        client.read_head()
        gateway.signal(signal.SIGTERM)
        self.assertEqual(gateway.wait(self.slower(4)), 0)


class Reloads(Hold):
    def test_an_endpoint_that_is_added_is_room(self):
        for workers in (1, 4):
            with self.subTest(workers=workers):
                self.gate = threading.Semaphore(0)
                gateway = self.start(workers=workers)
                clients = [self.occupy(gateway), self.ask(gateway, "waits")]
                self.waiting(gateway, 1)
                more = self.recorder()
                configuration = json.loads(json.dumps(gateway.configuration))
                configuration["pools"][0]["endpoints"].append(more.url)
                gateway.write(configuration)
                gateway.reload()
                self.assertEqual(clients[1].read_answer().status, 200)
                self.assertEqual(len(more.requests), 1)
                self.open_gate()
                self.assertEqual(clients[0].read_answer().status, 200)

    def test_a_pool_that_is_gone_serves_those_it_has(self):
        gateway = self.start(workers=4)
        clients = [self.occupy(gateway), self.ask(gateway, "waits")]
        self.waiting(gateway, 1)
        configuration = json.loads(json.dumps(gateway.configuration))
        configuration["pools"][0]["name"] = "other"
        configuration["models"][0]["versions"][0]["pool"] = "other"
        gateway.write(configuration)
        gateway.reload()
        until("it is live", lambda: gateway.generation() == 2, self.slower(5))
        self.open_gate()
        self.assertEqual([client.read_answer().status for client in clients], [200, 200])

    def test_one_that_keeps_to_an_older_version_stands_in_nobodys_way(self):
        """Its version has another name now: it waits for the endpoint it knows, others take what is new."""
        gateway = self.start()
        clients = [self.occupy(gateway), self.ask(gateway, "old")]
        self.waiting(gateway, 1)
        gate = threading.Semaphore(0)
        self.addCleanup(lambda: gate.release(100))
        more = self.recorder(lambda connection: self.gated_by(gate, connection))
        configuration = json.loads(json.dumps(gateway.configuration))
        configuration["pools"][0]["endpoints"].append(more.url)
        configuration["models"][0]["versions"][0]["name"] = "renamed"
        gateway.write(configuration)
        gateway.reload()
        until("it is live", lambda: gateway.generation() == 2, self.slower(5))
        clients.append(self.ask(gateway, "takes the new one"))
        more.wait_requests(1)
        clients.append(self.ask(gateway, "waits for it"))
        self.waiting(gateway, 2)
        gate.release(100)
        self.assertEqual([clients[i].read_answer().status for i in (2, 3)], [200, 200])
        self.assertEqual(len(self.endpoint.requests), 1)
        self.open_gate()
        self.assertEqual([clients[i].read_answer().status for i in (0, 1)], [200, 200])


class KeepAlive(Hold):
    """The first comment comes after 300 ms here."""

    def start(self, *endpoints, **more):
        gateway = super().start(*endpoints, hold={"keepalive": "300ms"}, **more)
        self.endpoint = self.recorders[-1]
        return gateway

    def wait_comments(self, client, count):
        status, fields = client.read_head()
        self.assertEqual(status, 200)
        body = b""
        while body.count(COMMENT) < count:
            body += client.read_chunk()
        self.assertEqual(body, COMMENT * body.count(COMMENT))
        return dict(fields)

    def rest(self, client):
        body = b""
        while piece := client.read_chunk():
            body += piece
        return body

    def test_a_held_stream_hears_comments_and_then_the_engine_verbatim(self):
        for workers in (1, 4):
            with self.subTest(workers=workers):
                self.gate = threading.Semaphore(0)
                gateway = self.start(workers=workers)
                first, held = self.occupy(gateway), self.ask(gateway, stream=True)
                head = self.wait_comments(held, 2)
                self.assertTrue(head["content-type"].startswith("text/event-stream"))
                self.assertTrue(head["x-request-id"])
                self.gate.release()
                first.read_answer()
                self.endpoint.wait_requests(2)
                self.wait_comments_go_on(held)
                self.open_gate()
                self.assertEqual(self.rest(held).replace(COMMENT, b""), STREAM)
                line = until("its line", lambda: next((l for l in gateway.access_lines() if l["stream"]), None), self.slower(3))
                self.assertEqual((line["status"], line["reason"]), (200, "done"))
                self.assertGreater(line["held_ms"], 500)

    def wait_comments_go_on(self, held):
        """The endpoint has the request and says nothing: comments go on."""
        self.assertEqual(held.read_chunk(), COMMENT)

    def test_it_works_over_http2(self):
        gateway = self.start(workers=4)
        first = self.occupy(gateway)
        link = self.h2(gateway, timeout=self.slower(10))
        link.send(h2raw.request(1, chat_body(stream=True)))
        link.read_until(lambda l: l.stream(1).body.count(COMMENT) == 2)
        self.assertEqual(link.stream(1).status, 200)
        self.open_gate()
        self.assertEqual(link.wait(1).body.replace(COMMENT, b""), STREAM)
        self.assertEqual(first.read_answer().status, 200)

    def test_nobody_else_hears_anything(self):
        gateway = self.start()
        first, held = self.occupy(gateway), self.ask(gateway)
        self.waiting(gateway, 1)
        self.assertTrue(holds(lambda: not held.rest and self.nothing_came(held), 0.7))
        self.open_gate()
        got = held.read_answer()
        self.assertEqual((got.status, got.get("content-type")), (200, "application/json"))
        first.read_answer()

    @staticmethod
    def nothing_came(client):
        client.socket.settimeout(0.01)
        try:
            return client.socket.recv(1, socket.MSG_PEEK) is None
        except (TimeoutError, socket.timeout):
            return True
        finally:
            client.socket.settimeout(10)

    def held_until_late(self, path, body):
        """A held stream whose time is up: what is said in it after the comments."""
        gateway = self.start(pool={"timeouts": {"queue": "800ms"}})
        first = self.occupy(gateway)
        held = self.client(gateway, timeout=self.slower(10))
        held.send(post(json.dumps(body).encode(), path=path))
        self.wait_comments(held, 1)
        said = self.rest(held).replace(COMMENT, b"")
        self.open_gate()
        first.read_answer()
        gateway.wait_finished("queue_timeout")
        return said

    def test_what_fails_is_said_in_the_stream_to_openai(self):
        said = self.held_until_late(b"/v1/chat/completions", {"model": "sim", "stream": True, "messages": []})
        self.assertTrue(said.startswith(b"data: {"), said)
        self.assertNotIn(b"[DONE]", said)
        self.assertEqual(json.loads(said[6:])["error"]["type"], "server_error")

    def test_what_fails_is_said_in_the_stream_to_anthropic(self):
        said = self.held_until_late(b"/v1/messages", {"model": "sim", "stream": True, "max_tokens": 5, "messages": []})
        name, data = said.rstrip(b"\n").split(b"\n")
        self.assertEqual(name, b"event: error")
        self.assertEqual(json.loads(data[6:])["type"], "error")

    def test_an_engines_refusal_is_said_in_the_stream(self):
        """The client has a 200 already; it learns what the engine said all the same."""
        refusal = json.dumps({"error": {"message": "too long: \"9\" > 8", "type": "BadRequestError", "param": None, "code": 400}}).encode()

        def script(connection):
            while connection.read_request():
                self.gate.acquire(timeout=20)
                connection.send(answer(refusal, b"400 Bad Request"))
        gateway = self.start(self.recorder(script))
        first = self.occupy(gateway)
        held = self.ask(gateway, stream=True)
        self.wait_comments(held, 1)
        self.open_gate()
        said = self.rest(held).replace(COMMENT, b"")
        error = json.loads(said[6:])["error"]
        self.assertEqual((error["message"], error["type"]), ("too long: \"9\" > 8", "invalid_request_error"))
        self.assertEqual(first.read_answer().status, 400)

    def test_another_endpoint_is_tried_after_comments(self):
        """What the client has is ours: nothing of the first answer was passed on."""
        gateway = self.start(self.recorder(self.gated), pool={"retry": {"attempts": 2, "budget": 100}})
        first, held = self.occupy(gateway), self.ask(gateway, stream=True)
        self.wait_comments(held, 1)
        configuration = json.loads(json.dumps(gateway.configuration))
        configuration["pools"][0]["endpoints"].append(self.recorder(lambda c: (c.read_request(), c.abort())).url)
        gateway.write(configuration)
        gateway.reload()
        self.recorders[1].wait_requests(1)
        self.open_gate()
        self.assertEqual(self.rest(held).replace(COMMENT, b""), STREAM)
        self.assertEqual(first.read_answer().status, 200)


class ColdStart(Hold):
    PROBING = {"active": True, "interval": "50ms", "timeout": "1s", "unhealthy": 1, "healthy": 1}
    RARE = {"active": True, "interval": "60s", "timeout": "1s"}

    def test_an_endpoint_that_comes_up_wakes_those_that_wait_for_it(self):
        for workers in (1, 4):
            with self.subTest(workers=workers):
                port = free_port()
                gateway = self.start(f"http://127.0.0.1:{port}", pool={"concurrency": 0, "health": self.PROBING}, workers=workers)
                until("the check fails", lambda: gateway.metrics().total("sluice_endpoint_ready") == 0, self.slower(5))
                clients = [self.ask(gateway) for _ in range(3)]
                self.waiting(gateway, 3)
                self.engine(port=port)
                self.assertEqual([client.read_answer().status for client in clients], [200] * 3)

    def test_nobody_waits_for_ever(self):
        gateway = self.start(f"http://127.0.0.1:{free_port()}", pool={"health": self.PROBING}, hold={"cold_start": "400ms"})
        until("the check fails", lambda: gateway.metrics().total("sluice_endpoint_ready") == 0, self.slower(5))
        self.assert_openai_error(self.ask(gateway).read_answer(), 503)
        gateway.wait_finished("no_endpoint")

    def test_where_nobody_is_to_wait_the_answer_comes_at_once(self):
        gateway = self.start(f"http://127.0.0.1:{free_port()}", pool={"health": self.PROBING}, hold={"cold_start": "0s"})
        until("the check fails", lambda: gateway.metrics().total("sluice_endpoint_ready") == 0, self.slower(5))
        self.assertEqual(self.ask(gateway).read_answer().status, 502)

    def test_checks_that_are_wrong_of_all_hold_nobody_up(self):
        """The path of the check does not exist: panic, as before."""
        endpoint = self.recorder(lambda c: self.serve_but_health(c))
        gateway = self.start(endpoint, pool={"health": self.PROBING})
        until("the check fails", lambda: gateway.metrics().total("sluice_endpoint_ready") == 0, self.slower(5))
        self.assert_serves(gateway)

    @staticmethod
    def serve_but_health(connection):
        while request := connection.read_request():
            connection.send(answer(b"", b"404 Not Found") if request.target == "/health" else answer())

    def test_whom_nobody_answers_waits_before_a_check_has_failed_twice(self):
        """Another's answer lets them go: the next check is a minute away."""
        for workers in (1, 4):
            with self.subTest(workers=workers):
                port = free_port()
                gateway = self.start(f"http://127.0.0.1:{port}", pool={"concurrency": 0, "health": self.RARE}, workers=workers)
                clients = [self.ask(gateway) for _ in range(3)]
                self.waiting(gateway, 3)
                self.assertEqual(gateway.metrics().total("sluice_endpoint_ready"), 1)
                self.engine(port=port)
                self.assert_serves(gateway)
                self.assertEqual([client.read_answer().status for client in clients], [200] * 3)

    def test_a_good_check_lets_them_go(self):
        port = free_port()
        gateway = self.start(f"http://127.0.0.1:{port}", pool={"health": {**self.PROBING, "unhealthy": 100}})
        client = self.ask(gateway)
        self.waiting(gateway, 1)
        self.engine(port=port)
        self.assertEqual(client.read_answer().status, 200)

    def test_whom_nobody_answers_in_time_gets_a_503(self):
        gateway = self.start(f"http://127.0.0.1:{free_port()}", pool={"health": self.RARE}, hold={"cold_start": "400ms"})
        self.assert_openai_error(self.ask(gateway).read_answer(), 503)
        gateway.wait_finished("no_endpoint")

    def test_where_nobody_is_to_wait_a_dial_that_fails_is_said_at_once(self):
        gateway = self.start(f"http://127.0.0.1:{free_port()}", pool={"health": self.RARE}, hold={"cold_start": "0s"})
        self.assert_openai_error(self.ask(gateway).read_answer(), 502)

    def test_one_that_may_not_be_tried_elsewhere_waits_for_who_answers(self):
        """No retries: whom the dead endpoint was chosen for goes to the other as soon as that answers anybody."""
        gateway = self.start(f"http://127.0.0.1:{free_port()}", self.recorder(), hold={"cold_start": "10s"},
                             pool={"route": "round_robin", "retry": {"attempts": 1}, "health": {**self.PROBING, "unhealthy": 100}})
        for _ in range(6):
            self.assert_serves(gateway)

    def test_what_an_endpoint_has_had_is_not_kept_for_another(self):
        endpoint = self.recorder(lambda c: (c.read_request(), c.abort()))
        gateway = self.start(endpoint, f"http://127.0.0.1:{free_port()}", pool={"health": self.RARE, "retry": {"attempts": 2, "budget": 100}})
        self.assert_openai_error(self.ask(gateway).read_answer(), 502)
        self.assertEqual(len([r for r in endpoint.requests if r.method == "POST"]), 1)

    def test_a_request_that_names_its_endpoint_does_not_wait(self):
        port = free_port()
        gateway = self.start(f"http://127.0.0.1:{port}", pool={"health": self.PROBING})
        until("the check fails", lambda: gateway.metrics().total("sluice_endpoint_ready") == 0, self.slower(5))
        client = self.ask(gateway, fields=field("x-sluice-endpoint", f"http://127.0.0.1:{port}"))
        self.assertEqual(client.read_answer().status, 502)


class Release(Hold):
    def test_room_on_any_worker_is_used_at_once(self):
        """From the end of an exchange to the next one's departure, over four workers: not when a timer comes by."""
        gateway = self.start(self.engine("--tokens", "4", time_scale=0.001), workers=4)
        clients = [self.ask(gateway, f"{i}") for i in range(100)]
        for client in clients:
            self.assertEqual(client.read_answer().status, 200)
        buckets = gateway.metrics().buckets("sluice_release_seconds")
        count = buckets[float("inf")]
        self.assertGreater(count, 50)
        self.assertGreaterEqual(buckets[0.001 if self.slower(1) == 1 else 0.005], 0.5 * count, buckets)


if __name__ == "__main__":
    unittest.main()

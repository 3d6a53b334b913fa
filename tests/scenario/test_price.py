"""Which endpoint gets a request: by price, by what was learned of the endpoints, by session."""
import concurrent.futures
import json
import unittest

from lib import config
from lib.rawclient import ask, chat
from lib.recorder import answer
from lib.scenario import Scenario
from lib.wait import until

def hang(connection):
    """A script that reads the request and never answers."""
    connection.read_request()
    connection.wait_end()


# About 2,000 tokens that begin alike, 4 bytes each.
LONG = "All rivers lead to the sea, and yet the sea is not full. " * 140


def fleet(gateway):
    return json.loads(gateway.admin("/fleet")[1])["pools"][0]["endpoints"]


class Price(Scenario):
    def hang(self, gateway, recorders, count, text):
        """So many requests that get no answer, one after the other."""
        for n in range(count):
            self.client(gateway).send(chat(text=text(n), stream=True))
            until("it arrived", lambda n=n: sum(len(r.requests) for r in recorders) == n + 1)

    def test_a_prompt_comes_to_where_its_beginning_was(self):
        recorders = [self.recorder() for _ in range(3)]
        gateway = self.in_front_of(*recorders)
        for n in range(12):
            client = self.client(gateway)
            client.send(chat(text=LONG + f"question {n}"))
            self.assertEqual(client.read_answer().status, 200)
        self.assertEqual(sorted(len(r.requests) for r in recorders), [0, 0, 12])

    def test_a_prompt_goes_to_who_has_its_beginning(self):
        """Each beginning is put where the caller says; who begins alike follows, and finds it there."""
        engines = [self.engine() for _ in range(3)]
        gateway = self.in_front_of(*engines, listener={"trusted": True}, pool={"metrics": {"interval": "20ms"}})
        until("capacities are known", lambda: all(e["reported"]["capacity_tokens"] for e in fleet(gateway)))
        for home, engine in enumerate(engines):
            begins = f"Book {home}. {LONG}"
            pin = f"x-sluice-endpoint: {engine.url}\r\n".encode()
            self.assertEqual(ask(gateway.port, chat(text=begins, fields=pin)).status, 200)
            for n in range(3):
                got = ask(gateway.port, chat(text=begins + f" Question {n}?"))
                self.assertEqual(got.get("x-sluice-endpoint"), engine.url)
                usage = got.json()["usage"]
                self.assertGreater(usage["prompt_tokens_details"]["cached_tokens"], 0.8 * usage["prompt_tokens"])

    def test_work_that_waits_moves_new_prompts_elsewhere(self):
        """Each hangs in its prefill; the next one goes to who has less to do."""
        recorders = [self.recorder(hang) for _ in range(3)]
        gateway = self.in_front_of(*recorders)
        self.hang(gateway, recorders, 9, lambda n: f"{n} {LONG}")
        self.assertEqual([len(r.requests) for r in recorders], [3, 3, 3])
        queued = [endpoint["own"]["queued_s"] for endpoint in fleet(gateway)]
        self.assertGreater(min(queued), 0.3)  # three times 2,000 tokens
        self.assertAlmostEqual(min(queued), max(queued), delta=0.01)

    def test_a_long_prompt_weighs_more_than_a_short_one(self):
        recorders = [self.recorder(hang) for _ in range(2)]
        gateway = self.in_front_of(*recorders)
        self.hang(gateway, recorders, 1, lambda n: LONG * 8)
        busy = [len(r.requests) for r in recorders].index(1)
        self.hang(gateway, [recorders[1 - busy]], 6, lambda n: f"a short question, number {n}: what is the sea?")
        self.assertEqual(len(recorders[busy].requests), 1)

    def test_weights_are_the_operators(self):
        """With no weight on what is there already, nothing moves a prompt away from a queue."""
        recorders = [self.recorder(hang) for _ in range(3)]
        gateway = self.in_front_of(*recorders, pool={"price": {"wait": 0, "recompute": 0, "steps": 0, "decode": 0}})
        self.hang(gateway, recorders, 6, lambda n: "Hello. " + LONG)
        self.assertEqual(sorted(len(r.requests) for r in recorders), [0, 0, 6])

    def test_a_session_stays_at_its_endpoint(self):
        recorders = [self.recorder() for _ in range(3)]
        gateway = self.in_front_of(*recorders, pool={"sticky": {"header": "X-Session-Id"}, "route": "round_robin"})
        for session in range(40):  # so many that each endpoint has one of them, whatever its address (but for 3 in 10 million runs)
            before = [len(r.requests) for r in recorders]
            for n in range(2):
                client = self.client(gateway)
                client.send(chat(text=f"{n}", fields=b"x-session-id: s%d\r\n" % session))
                self.assertEqual(client.read_answer().status, 200)
            grown = [len(r.requests) - b for r, b in zip(recorders, before)]
            self.assertEqual(sorted(grown), [0, 0, 2], session)
        self.assertGreater(min(len(r.requests) for r in recorders), 0)
        for _ in range(3):  # without a session the pick chooses
            self.assert_serves(gateway)

    def test_a_session_whose_endpoint_is_gone_moves_to_one_other(self):
        sick = []

        def script(connection):
            while request := connection.read_request():
                fails = request.method == "GET" and connection.recorder in sick
                connection.send(answer(b"", b"503 Service Unavailable") if fails else answer())
        recorders = [self.recorder(script) for _ in range(3)]
        gateway = self.in_front_of(*recorders, pool={"sticky": {}, "health": {"active": True, "interval": "50ms", "slow_return": 0}})

        def home():
            """Where its session is now."""
            before = [sum(r.method == "POST" for r in recorder.requests) for recorder in recorders]
            for _ in range(4):
                client = self.client(gateway)
                client.send(chat(fields=b"x-session-id: mine\r\n"))
                self.assertEqual(client.read_answer().status, 200)
            grown = [sum(r.method == "POST" for r in recorder.requests) - b for recorder, b in zip(recorders, before)]
            self.assertEqual(sorted(grown), [0, 0, 4])
            return grown.index(4)
        first = home()
        sick.append(recorders[first])
        until("it is out", lambda: not fleet(gateway)[first]["ready"])
        self.assertNotEqual(home(), first)
        sick.clear()
        until("it is back", lambda: fleet(gateway)[first]["ready"])
        self.assertEqual(home(), first)

    def test_endpoints_without_the_adapter_get_nothing(self):
        engines = [self.engine(), self.engine(), self.engine()]
        engines[1].call("POST", "/v1/load_lora_adapter", {"lora_name": "sql", "lora_path": "/adapters/sql"})
        gateway = self.in_front_of(*engines, pool={"health": {"active": True, "interval": "50ms"}, "metrics": {"interval": "20ms"}})
        until("it is known what they serve", lambda: all(e["adapters"]["known"] for e in fleet(gateway)))
        for n in range(9):
            got = ask(gateway.port, chat(model="sql", text=f"question {n}"))
            self.assertEqual(got.status, 200, got)
        served = [endpoint["served"] for endpoint in fleet(gateway)]
        self.assertEqual(served, [0, 9, 0])

    def test_adapters_of_sglang_are_named_after_their_base(self):
        """It lists them by their own names; the second endpoint has it, whether a model is configured or all pass."""
        def lists(*adapters):
            cards = [{"id": "base", "parent": None}, *({"id": name, "parent": "base"} for name in adapters)]
            body = json.dumps({"object": "list", "data": cards}).encode()

            def script(connection):
                while request := connection.read_request():
                    connection.send(answer(body if request.target == "/v1/models" else b"{}"))
            return script
        versions = [{"name": "v", "pool": "main", "model": "base"}]
        for models, names in (([config.model("m", "main", versions=versions)], ("sql", "m:sql")),
                              ([config.model("m", "main", versions=versions, adapters=["base:sql"])], ("base:sql",)),
                              ([config.model("*", "main")], ("base:sql",))):
            recorders = [self.recorder(lists("other")), self.recorder(lists("sql"))]
            gateway = self.in_front_of(*recorders, models=models, pool={
                "engine": "sglang", "health": {"active": True, "interval": "50ms"}, "metrics": {"active": False}})
            until("it is known what they serve", lambda: all(e["adapters"]["known"] for e in fleet(gateway)))
            for name in names:
                until(f"{name} is answered", lambda: ask(gateway.port, chat(model=name)).status == 200)
            asked = [[json.loads(r.body)["model"] for r in recorder.requests if r.method == "POST"] for recorder in recorders]
            self.assertEqual(asked, [[], ["base:sql"] * len(names)])


class Pace(Scenario):
    TEXTS = [f"{n} " + LONG[:2000 + 300 * (n % 17)] for n in range(72)]

    def test_a_slower_endpoint_is_found_out_and_gets_less(self):
        """Nothing says so but its answers: the second engine takes four times as long for everything."""
        engines = [self.engine("--tokens", "20", time_scale=scale) for scale in (0.5, 2)]
        gateway = self.in_front_of(*engines, workers=2)

        def send(text):
            return ask(gateway.port, chat(text=text, stream=True), timeout=60).status
        with concurrent.futures.ThreadPoolExecutor(6) as clients:
            self.assertEqual(set(clients.map(send, self.TEXTS)), {200})
        fast, slow = fleet(gateway)
        self.assertEqual(fast["served"] + slow["served"], len(self.TEXTS))
        self.assertGreater(slow["served"], 0)
        self.assertLess(slow["served"], 0.35 * len(self.TEXTS))
        for part, times in (("token_s", 1.5), ("step_s", 2)):  # of short prefills much is not the engine's
            self.assertGreater(slow["pace"][part], times * fast["pace"][part], (fast["pace"], slow["pace"]))


if __name__ == "__main__":
    unittest.main()

"""The admin listener: its address, and a page that is large, /fleet, which is printed as it is read."""
import copy
import json
import threading
import unittest

from lib import config
from lib.harness import command
from lib.rawclient import RawClient
from lib.scenario import Scenario
from lib.wait import until

ENDPOINTS = 5000
BOUND = 1 << 20  # of what the gateway may hold of a page that has six times as much


class FleetPage(Scenario):
    def setUp(self):
        super().setUp()
        path = "x" * 600
        self.urls = [f"http://127.0.0.1:9/{path}{n}" for n in range(ENDPOINTS)]
        self.large = self.gateway(config.gateway(config.pool("main", self.urls)))

    def begin(self):
        """A client that has read the beginning of the page, and takes no more."""
        client = self.client(self.large.admin_port, receive_buffer=4096, timeout=self.slower(20))
        client.send(b"GET /fleet HTTP/1.1\r\nHost: a\r\n\r\n")
        client.fill()
        return client

    def held(self):
        return self.large.metrics().total("sluice_buffered_bytes")

    def test_a_reader_that_stops_holds_little_and_reads_on_in_the_fleet_it_began_with(self):
        client = self.begin()
        self.assertLess(self.held(), BOUND)
        fresh = copy.deepcopy(self.large.configuration)
        fresh["pools"][0]["endpoints"] = ["http://127.0.0.1:9/new"]
        self.large.write(fresh)
        self.large.reload()
        until("the new fleet is in use", lambda: len(self.read()["pools"][0]["endpoints"]) == 1, self.slower(10))
        page = client.read_answer().json()
        self.assertEqual([e["endpoint"] for e in page["pools"][0]["endpoints"]], self.urls)
        self.assertFalse(page["cut"])
        self.assertLess(page["fleet"], self.read()["fleet"])

    def read(self, path="/fleet"):
        status, text = self.large.admin(path)
        self.assertEqual(status, 200)
        return json.loads(text)

    def test_readers_that_leave_in_the_middle_leave_nothing_behind(self):
        before = self.held()
        for leave in ("close", "reset"):
            for client in [self.begin() for _ in range(8)]:
                getattr(client, leave)()
        until("all is given back", lambda: self.held() <= before, self.slower(5))
        self.assertEqual(len(self.read()["pools"][0]["endpoints"]), ENDPOINTS)

    def test_one_pool_or_none_of_it(self):
        self.assertEqual(len(self.read("/fleet?pool=main")["pools"][0]["endpoints"]), ENDPOINTS)
        self.assertEqual(self.read("/fleet?pool=other")["pools"], [])
        self.assertEqual(self.large.admin("/fleet", "HEAD"), (200, ""))

    def test_a_reader_of_http_1_0_reads_until_the_end(self):
        client = self.client(self.large.admin_port, timeout=self.slower(20))
        client.send(b"GET /fleet HTTP/1.0\r\n\r\n")
        page = client.read_answer().json()
        self.assertEqual(len(page["pools"][0]["endpoints"]), ENDPOINTS)

    def test_a_reader_of_http_2_reads_all(self):
        answer = self.h2(self.large.admin_port).ask(1, method="GET", path="/fleet", seconds=self.slower(10))
        self.assertEqual(len(json.loads(answer.body)["pools"][0]["endpoints"]), ENDPOINTS)


class Address(Scenario):
    def test_a_second_gateway_by_mistake_takes_no_connection_from_the_first(self):
        """Listeners share their address, for their own threads; the admin address is nobody else's."""
        gateway, over, lost = self.in_front_of("http://127.0.0.1:9"), threading.Event(), []

        def ask():
            while not over.is_set():
                try:
                    with RawClient(gateway.port, timeout=self.slower(10)) as client:
                        client.send(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
                        self.assertEqual(client.read_answer().status, 200)
                except Exception as error:  # whatever it is, it was not served
                    lost.append(error)
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(12):
                status, out, err = command("run", "-c", gateway.path)
                self.assertEqual(status, 1)
                self.assertIn("Address already in use", out + err)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        self.assertEqual(lost, [])


if __name__ == "__main__":
    unittest.main()

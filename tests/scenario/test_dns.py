"""Names of endpoints: all their addresses, their TTL, and what happens when nobody knows them.

The gateway gets a resolv.conf of its own, in a mount namespace, which names a server of ours.
"""
import os
import random
import subprocess
import unittest

from lib import config
from lib.dns_server import DnsServer, Record
from lib.rawclient import chat
from lib.scenario import Scenario
from lib.wait import holds, until

# Mounts $0 over /etc/resolv.conf where nobody else sees it, and becomes the gateway.
OWN_RESOLV_CONF = ("unshare", "--mount", "--", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"')


class Dns(Scenario):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL).returncode:
            raise unittest.SkipTest("no mount namespace can be made here: it needs root, and leave to mount")

    def setUp(self):
        super().setUp()
        address = f"127.{random.randrange(64, 250)}.{random.randrange(256)}.53"  # several tests may run at a time
        self.dns = DnsServer(address=(address, 53))
        self.addCleanup(self.dns.close)
        self.resolv = self.scratch / "resolv.conf"
        self.resolv.write_text(f"nameserver {address}\noptions timeout:1 attempts:2\n")

    def everywhere(self, script=None):
        """An endpoint on all loopback addresses of one port."""
        return self.recorder(script, host="0.0.0.0")

    def start(self, url, top=None, **pool):
        return self.gateway(config.gateway(config.pool("main", [url], **pool), **(top or {})), prefix=(*OWN_RESOLV_CONF, self.resolv))

    def ask(self, gateway):
        client = self.client(gateway)
        client.send(chat())
        got = client.read_answer()
        client.close()
        return got

    @staticmethod
    def reached(recorder):
        """The addresses at which requests arrived."""
        return {request.address for request in recorder.requests}

    def test_a_plain_name_is_resolved_and_is_the_host(self):
        self.dns.records["one.test"] = Record(["127.3.3.3"])
        recorder = self.everywhere()
        gateway = self.start(f"http://one.test:{recorder.port}")
        self.assertEqual(self.ask(gateway).status, 200)
        self.assertEqual(self.reached(recorder), {"127.3.3.3"})
        self.assertEqual(recorder.requests[0].get("host"), f"one.test:{recorder.port}")

    def test_all_of_300_addresses_are_endpoints(self):
        """They fit no datagram: the answer comes over TCP."""
        self.dns.records["many.test"] = Record.parse("127.10.0.1+300/30")
        recorder = self.everywhere()
        gateway = self.start(f"dns:http://many.test:{recorder.port}", route="round_robin")
        until("all are endpoints", lambda: len(gateway.metrics().series("sluice_endpoint_ready")) == 300, self.slower(5))
        self.assertGreater(self.dns.count("tcp", "many.test"), 0)
        for _ in range(300):
            self.assertEqual(self.ask(gateway).status, 200)
        self.assertEqual(len(self.reached(recorder)), 300)

    def test_a_name_is_asked_again_when_its_ttl_is_over(self):
        self.dns.records["moving.test"] = Record(["127.20.0.1", "127.20.0.2"], ttl=1)
        recorder = self.everywhere()
        gateway = self.start(f"dns:http://moving.test:{recorder.port}", route="round_robin")
        self.assertEqual(self.ask(gateway).status, 200)  # it was not ready before it knew an address
        self.dns.records["moving.test"] = Record(["127.20.0.2", "127.20.0.9"], ttl=1)
        until("the new address is used", lambda: self.ask(gateway) and "127.20.0.9" in self.reached(recorder), self.slower(6))
        recorder.requests.clear()
        for _ in range(8):
            self.assertEqual(self.ask(gateway).status, 200)
        self.assertEqual(self.reached(recorder), {"127.20.0.2", "127.20.0.9"})

    def test_a_server_that_falls_silent_changes_nothing(self):
        """Old addresses are better than none."""
        for fault in ("silent", "servfail"):
            with self.subTest(fault=fault):
                self.dns.records["fading.test"] = Record(["127.30.0.1"], ttl=1)
                recorder = self.everywhere()
                gateway = self.start(f"dns:http://fading.test:{recorder.port}")
                until("it serves", lambda: self.ask(gateway).status == 200, self.slower(5))
                self.dns.records["fading.test"] = Record(fault=fault)
                asked = self.dns.count(name="fading.test")
                until("it was asked again", lambda: self.dns.count(name="fading.test") > asked, self.slower(5))
                self.assertTrue(holds(lambda: self.ask(gateway).status == 200, 1))
                gateway.stop()

    def test_an_unknown_name_is_a_502_and_the_gateway_is_ready(self):
        gateway = self.start("http://nowhere.test:8000", retry={"attempts": 1})
        self.assertEqual(gateway.admin_status("/readyz"), 200)
        self.assertIn(self.ask(gateway).status, (502, 503))

    def test_a_pool_without_an_address_yet_serves_when_it_gets_one(self):
        recorder = self.everywhere()
        self.dns.records["late.test"] = Record(fault="servfail")
        gateway = self.start(f"dns:http://late.test:{recorder.port}", top={"hold": {"cold_start": "0s"}})
        self.assertEqual(self.ask(gateway).status, 503)
        self.dns.records["late.test"] = Record(["127.40.0.1"], ttl=5)
        until("it serves", lambda: self.ask(gateway).status == 200, self.slower(15))

    def test_a_request_waits_for_the_first_address_of_its_pool(self):
        """Scale from zero: it is counted as waiting, and is served when the name has an address."""
        recorder = self.everywhere()
        self.dns.records["late.test"] = Record(fault="servfail")
        for workers in (1, 4):
            with self.subTest(workers=workers):
                gateway = self.start(f"dns:http://late.test:{recorder.port}", top={"workers": workers})
                client = self.client(gateway, timeout=self.slower(20))
                client.send(chat())
                until("it waits", lambda: gateway.metrics().total("sluice_pool_waiting", pool="main") == 1, self.slower(5))
                self.dns.records["late.test"] = Record(["127.40.0.2"], ttl=5)
                self.assertEqual(client.read_answer().status, 200)
                self.dns.records["late.test"] = Record(fault="servfail")


if __name__ == "__main__":
    unittest.main()

"""Reload: atomic, refused as a whole when anything is wrong, and unnoticed by what is under way."""
import copy
import os
import threading
import unittest

from lib import config, h2raw
from lib.harness import command
from lib.rawclient import ask, chat, chat_body
from lib.recorder import DONE_EVENT, LAST_CHUNK, ROLE_EVENT, SSE_HEAD, STOP_EVENT, answer, chunk, event
from lib.scenario import Scenario
from lib.wait import can_connect, free_port, holds, until


class Reload(Scenario):
    def setUp(self):
        super().setUp()
        self.old, self.new = self.recorder(), self.recorder()
        self.marks = 0

    def start(self, **top):
        return self.in_front_of(self.old, **top)

    def changed(self, gateway, change):
        """Writes a changed configuration, without saying so."""
        fresh = copy.deepcopy(gateway.configuration)
        change(fresh)
        gateway.write(fresh)
        return fresh

    def point_at_new(self, configuration):
        configuration["pools"][0]["endpoints"] = [self.new.url]

    def outcome(self, gateway):
        return gateway.metrics().by("sluice_config_reloads_total", "outcome")

    def apply(self, gateway, change=lambda configuration: None):
        """Changes the configuration and waits until the change is the one in use."""
        self.marks += 1
        mark = f"{6000 + self.marks}ms"
        self.changed(gateway, lambda configuration: (change(configuration), configuration.update(drain_timeout=mark)))
        gateway.reload()
        until("the new configuration is in use", lambda: mark in gateway.admin("/config")[1], self.slower(5))

    def test_sighup_takes_the_new_file(self):
        gateway = self.start()
        self.assert_serves(gateway)
        self.apply(gateway, self.point_at_new)
        self.assertGreater(gateway.generation(), 1)
        self.assert_serves(gateway)
        self.assertEqual((len(self.old.requests), len(self.new.requests)), (1, 1))

    def test_a_changed_file_is_noticed_without_a_signal(self):
        gateway = self.start()
        self.changed(gateway, self.point_at_new)
        until("the new file is in use", lambda: gateway.generation() == 2, self.slower(5))
        self.assert_serves(gateway)
        self.assertEqual(len(self.new.requests), 1)

    def test_a_swapped_symlink_is_noticed(self):
        """How Kubernetes replaces a ConfigMap: ..data points to another folder."""
        configuration = config.gateway(config.pool("main", [self.old.url]))
        gateway = self.gateway(configuration)
        fresh = copy.deepcopy(configuration)
        self.point_at_new(fresh)
        for folder, content in (("..1", configuration), ("..2", fresh)):
            (self.scratch / folder).mkdir()
            (self.scratch / folder / "sluice.yaml").write_text(config.text(content))
        self.link("..data", "..1")
        self.link("sluice.yaml", "..data/sluice.yaml")
        self.assert_serves(gateway)
        self.link("..data", "..2")
        until("the new folder is used", lambda: self.assert_serves(gateway) and self.new.requests, self.slower(5))

    def link(self, name, target):
        """Puts a symbolic link in place of whatever has that name, in one step."""
        os.symlink(target, self.scratch / "fresh")
        os.rename(self.scratch / "fresh", self.scratch / name)

    def test_a_bad_file_changes_nothing_and_is_counted(self):
        gateway = self.start()
        for broken in ("listeners: [", "{}", "no_such_key: 1\n", 'pools:\n  - { name: a, endpoints: ["ftp://x"] }\n', "\x00", ""):
            with self.subTest(broken=broken):
                before, mark = self.outcome(gateway), len(gateway.lines)
                gateway.write(broken)
                gateway.reload()
                until("it is counted", lambda: self.outcome(gateway) != before, self.slower(5))
                gateway.wait_line(r"sluice\.yaml:\d+:\d+: ", after=mark)
                self.assertEqual(gateway.admin_status("/readyz"), 200)
                self.assertEqual(gateway.generation(), 1)
                self.assert_serves(gateway)
        self.assertEqual(self.new.requests, [])

    def test_a_missing_file_changes_nothing(self):
        gateway = self.start()
        gateway.path.unlink()
        gateway.reload()
        self.assertTrue(holds(lambda: gateway.admin_status("/readyz") == 200, 0.3))
        self.assert_serves(gateway)

    def test_a_listener_that_cannot_be_bound_refuses_the_reload(self):
        gateway = self.start()
        taken = self.recorder()
        before = self.outcome(gateway)
        self.changed(gateway, lambda c: (c["listeners"].append({"address": f"127.0.0.1:{taken.port}"}), self.point_at_new(c)))
        gateway.reload()
        until("it is counted", lambda: self.outcome(gateway) != before, self.slower(5))
        self.assert_serves(gateway)
        self.assertEqual(len(self.old.requests), 1, "half of the new configuration was taken")

    def test_an_access_log_that_nobody_reads_refuses_the_reload(self):
        gateway = self.start()
        pipe = self.scratch / "pipe"
        os.mkfifo(pipe)
        before = self.outcome(gateway)
        self.changed(gateway, lambda c: (c.update(access_log=str(pipe)), self.point_at_new(c)))
        gateway.reload()
        until("it is counted", lambda: self.outcome(gateway) != before, self.slower(5))
        self.assert_serves(gateway)
        self.assertEqual(len(self.old.requests), 1, "half of the new configuration was taken")

    def test_listeners_come_and_go(self):
        gateway = self.start()
        second = free_port()
        first = gateway.port
        client = self.client(first)
        client.send(chat())
        self.assertEqual(client.read_answer().status, 200)
        self.apply(gateway, lambda c: c["listeners"].append({"address": f"127.0.0.1:{second}"}))
        until("the second listens", lambda: can_connect(second), self.slower(5))
        self.apply(gateway, lambda c: c["listeners"].pop(0))
        until("the first is closed", lambda: not can_connect(first), self.slower(5))
        other = self.client(second)
        other.send(chat())
        self.assertEqual(other.read_answer().status, 200)

    def test_an_exchange_keeps_the_configuration_it_was_born_with(self):
        go_on = threading.Event()

        def script(connection):
            while connection.read_request():
                connection.send(SSE_HEAD + chunk(ROLE_EVENT + event("before")))
                go_on.wait(20)
                connection.send(chunk(event("after") + STOP_EVENT + DONE_EVENT) + LAST_CHUNK)
        self.old.script = script
        gateway = self.start(workers=2)
        client, link = self.client(gateway), self.h2(gateway)
        client.send(chat(stream=True))
        link.send(h2raw.request(1, chat_body(stream=True)))
        client.read_head()
        link.read_until(lambda l: b"before" in l.stream(1).body)
        for _ in range(10):
            self.apply(gateway)
        self.apply(gateway, self.point_at_new)
        self.assert_serves(gateway)
        self.assertEqual(len(self.new.requests), 1)
        go_on.set()
        body = b""
        while piece := client.read_chunk():
            body += piece
        self.assertTrue(body.endswith(DONE_EVENT), body)
        self.assertTrue(link.wait(1).body.endswith(DONE_EVENT))

    def test_load_goes_on_while_configurations_change(self):
        """No request of many fails while the pool is switched to and fro."""
        gateway = self.start(workers=2)
        stop, failures, served = threading.Event(), [], [0]

        def load():
            with self.client(gateway) as client:
                while not stop.is_set():
                    client.send(chat())
                    got = client.read_answer()
                    if got is None or got.status != 200:
                        failures.append(got)
                        return
                    served[0] += 1
        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        for turn in range(20):
            self.apply(gateway, lambda c: c["pools"][0].update(endpoints=[(self.old if turn % 2 else self.new).url]))
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertGreater(served[0], 20)

    def test_an_endpoint_that_leaves_is_drained(self):
        go_on = threading.Event()

        def script(connection):
            while connection.read_request():
                go_on.wait(20)
                connection.send(answer())
        self.old.script = script
        gateway = self.start()
        client = self.client(gateway)
        client.send(chat())
        self.old.wait_requests(1)
        self.apply(gateway, self.point_at_new)
        self.assertIsNone(self.old.connections[0].closed_at, "work under way was cut")
        go_on.set()
        self.assertEqual(client.read_answer().status, 200)
        until("its connection is closed soon", lambda: self.old.connections[0].closed_at, self.slower(8))

    def test_an_adapter_leaves_with_the_last_endpoint_that_has_it(self):
        with_it, without = self.engine(), self.engine()
        with_it.call("POST", "/v1/load_lora_adapter", {"lora_name": "sql", "lora_path": "/adapters/sql"})
        gateway = self.in_front_of(with_it, without, pool={"health": {"active": True, "interval": "50ms"}},
                                   models=[config.model("sim", "main")])
        until("it is known who serves it", lambda: ask(gateway.port, chat(model="sql")).status == 200, self.slower(5))

        def leave(configuration):
            configuration["pools"][0]["endpoints"] = [without.url]
        self.apply(gateway, leave)
        until("the gateway does not know it", lambda: b"model_not_found" in ask(gateway.port, chat(model="sql")).body, self.slower(5))
        self.assert_serves(gateway)

    def test_the_shown_configuration_is_the_one_in_use(self):
        gateway = self.start()
        self.assertIn(self.old.url, gateway.admin("/config")[1])
        self.apply(gateway, self.point_at_new)
        self.assertIn(self.new.url, gateway.admin("/config")[1])
        self.assertNotIn(self.old.url, gateway.admin("/config")[1])

    def test_what_needs_a_restart_says_so(self):
        gateway = self.start()
        mark = len(gateway.lines)
        self.changed(gateway, lambda c: c.update(workers=3))
        gateway.reload()
        gateway.wait_line("number of workers needs a restart", after=mark)
        mark = len(gateway.lines)
        self.apply(gateway)
        gateway.wait_line("number of workers needs a restart", after=mark)  # as long as it is so
        mark = len(gateway.lines)
        self.apply(gateway, lambda c: c.update(workers=1))
        self.assertNotIn("needs a restart", "\n".join(gateway.lines[mark:]))

    def test_check_and_run_agree(self):
        gateway = self.start()
        self.assertEqual(command("check", gateway.path)[0], 0)


if __name__ == "__main__":
    unittest.main()

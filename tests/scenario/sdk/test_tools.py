"""Tools that people reach for: curl and nghttp; and h2spec, strict, over cleartext and TLS."""
import json
import re
import shutil
import subprocess
import unittest

from lib import config
from lib.rawclient import chat_body
from lib.recorder import always, answer
from lib.scenario import Scenario
from lib.tlsfiles import Authority
from sdk import fetched


class Tools(Scenario):
    def run_tool(self, *command, seconds=30):
        if not shutil.which(str(command[0])):
            self.skipTest(f"{command[0]} is not installed")
        return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=self.slower(seconds))

    def sim(self):
        return self.in_front_of(self.engine("--tokens", "8"), models=[config.model("sim", "main")])

    def test_curl_streams_over_both_protocols(self):
        gateway = self.sim()
        for flag in ("--http1.1", "--http2-prior-knowledge"):
            with self.subTest(flag=flag):
                done = self.run_tool("curl", "-sSN", "--fail", flag, f"http://127.0.0.1:{gateway.port}/v1/chat/completions", "-H",
                                     "content-type: application/json", "-d", chat_body(stream=True).decode())
                self.assertEqual(done.returncode, 0, done.stderr)
                events = [json.loads(line[6:]) for line in done.stdout.splitlines() if line.startswith("data: {")]
                self.assertGreater(len(events), 8)
                self.assertIn("data: [DONE]", done.stdout)

    def test_curl_waits_for_100_continue_with_a_large_body(self):
        gateway = self.sim()
        path = self.scratch / "body.json"
        path.write_bytes(chat_body(text="word " * 300000))
        done = self.run_tool("curl", "-sSv", "--http1.1", "-H", "expect: 100-continue", "-H", "content-type: application/json", "--data-binary",
                             f"@{path}", f"http://127.0.0.1:{gateway.port}/v1/chat/completions")
        self.assertIn("100 Continue", done.stderr)

    def test_nghttp_multiplexes(self):
        gateway = self.sim()
        path = self.scratch / "body.json"
        path.write_bytes(chat_body(stream=True))
        done = self.run_tool("nghttp", "-n", "-v", "-m", "20", "-d", path, "-H", "content-type: application/json",
                             f"http://127.0.0.1:{gateway.port}/v1/chat/completions")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(re.findall(r":status: 200", done.stdout)), 20, done.stdout[-2000:])

    def test_h2load_meets_no_error(self):
        gateway = self.in_front_of(self.recorder(always(answer())))
        path = self.scratch / "body.json"
        path.write_bytes(chat_body())
        done = self.run_tool("h2load", "-n", "2000", "-c", "8", "-m", "16", "-d", path, "-H", "content-type: application/json",
                             f"http://127.0.0.1:{gateway.port}/v1/chat/completions", seconds=60)
        self.assertIn("2000 succeeded, 0 failed, 0 errored, 0 timeout", done.stdout, done.stdout)


class H2spec(Scenario):
    """146 cases; nghttpx of Debian 12 fails six of them."""

    def judge(self, *flags, **listener):
        try:
            binary = fetched.h2spec()
        except fetched.Missing as error:
            self.skipTest(str(error))
        gateway = self.in_front_of(self.recorder(always(answer())), listener=listener, models=[config.model("*", "main", inspect=False)])
        done = subprocess.run([str(binary), "--strict", "-h", "127.0.0.1", "-p", str(gateway.port), "-P", "/v1/chat/completions", "-o", "4", *flags],
                              capture_output=True, text=True, timeout=self.slower(200))
        last = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", done.stdout)
        self.assertTrue(last, done.stdout[-3000:] + done.stderr[-1000:])
        failures = done.stdout[done.stdout.find("Failures:"):]
        self.assertEqual(int(last[4]), 0, failures[:6000])
        self.assertGreaterEqual(int(last[2]), 140, last[0])

    def test_strict_over_cleartext(self):
        self.judge()

    def test_strict_over_tls(self):
        certificate, key = Authority(self.scratch).issue("server", ["127.0.0.1"])
        self.judge("-t", "-k", tls={"certificate": str(certificate), "key": str(key)})


if __name__ == "__main__":
    unittest.main()

"""Programs under test: started, watched until they are ready, ended by their pid, and looked at afterwards.

A program must end with exit status 0 when it is asked to, and leave no sanitizer's report behind.
"""
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

from lib import config as conf
from lib.metrics import Metrics
from lib.wait import HANG_S, Deadline, can_connect, free_port, until

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("SLUICE_BUILD", ROOT / "build")).resolve()
SCENARIO = ROOT / "tests" / "scenario"

# Sanitizers make everything slower; what is measured in time is given more of it there.
SANITIZED = next((kind for kind in ("asan", "tsan") if kind in BUILD.name), "")
SLOWER = {"": 1, "asan": 3, "tsan": 8}[SANITIZED]

REPORTS = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|CHECK failed|magic number")
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
READY_S = 10 * SLOWER
END_S = 10 * SLOWER


class Process:
    """A child whose standard error is kept, and whose end is awaited."""

    def __init__(self, name, argv, env=None, cwd=None):
        self.name, self.argv = name, [str(a) for a in argv]
        self.lines = []
        self.ended_well = True  # what the exit status must say; tests of crashes change it
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, cwd=cwd, env={**os.environ, **SANITIZERS, **(env or {})})
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for raw in self.process.stderr:
            self.lines.append(raw.decode(errors="replace").rstrip("\n"))

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process.poll() is None

    def log(self):
        return "\n".join(self.lines)

    def wait_line(self, pattern, seconds=READY_S, after=0):
        """The first line of standard error, from `after` on, that matches."""
        seen = re.compile(pattern)

        def look():
            if not self.running() and not self.reader.is_alive() and not any(map(seen.search, self.lines[after:])):
                raise Deadline(f"{self.name} ended with {self.process.returncode} before {pattern!r}:\n{self.log()}")
            return next((line for line in self.lines[after:] if seen.search(line)), None)

        try:
            return until(f"{self.name}: a line like {pattern!r}", look, seconds)
        except Deadline as error:
            raise Deadline(f"{error}\n{self.log()}") from None

    def signal(self, number):
        self.process.send_signal(number)

    def rss_kb(self):
        return self._kb("smaps_rollup", "Rss:")

    def peak_kb(self):
        return self._kb("status", "VmHWM:")

    def _kb(self, file, name):
        for line in open(f"/proc/{self.pid}/{file}"):
            if line.startswith(name):
                return int(line.split()[1])
        raise ValueError(f"no {name} line")

    def cpu_s(self):
        fields = open(f"/proc/{self.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def wait(self, seconds=END_S):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Deadline(f"{self.name} did not end within {seconds:g} s\n{self.log()[-4000:]}") from None

    def stop(self):
        """Asks it to end; kills it (by pid) when it does not. Complaints are the caller's: see problems()."""
        if self.running():
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.lines.append(f"harness: {self.name} ignored SIGTERM for {END_S} s")
            self.ended_well = None
            self.process.kill()
            self.process.wait()
        self.reader.join(2)
        self.process.stderr.close()

    def problems(self):
        """Sentences about what went wrong with an ended process; empty when nothing did."""
        found = []
        if self.ended_well is None:
            found.append(f"{self.name} had to be killed")
        elif self.ended_well and self.process.returncode != 0:
            found.append(f"{self.name} ended with status {self.process.returncode}")
        if REPORTS.search(self.log()):
            found.append(f"{self.name} left a report")
        return [f"{sentence}:\n{self.log()[-6000:]}" for sentence in found]


SANITIZERS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1:" + os.environ.get("ASAN_OPTIONS", ""),
    "UBSAN_OPTIONS": "print_stacktrace=1:" + os.environ.get("UBSAN_OPTIONS", ""),
    "TSAN_OPTIONS": f"halt_on_error=0:second_deadlock_stack=1:suppressions={ROOT / 'tests' / 'tsan.supp'}:" + os.environ.get("TSAN_OPTIONS", ""),
}


class Gateway(Process):
    """`sluice run` with a configuration: a dict of config.gateway(), or a text. `prefix` is a command that ends in an exec of its arguments."""

    def __init__(self, configuration, scratch=None, env=None, wait=True, prefix=()):
        self.scratch = pathlib.Path(scratch or tempfile.mkdtemp(prefix="sluice-"))
        self.path = self.scratch / "sluice.yaml"
        if isinstance(configuration, dict) and configuration.get("access_log") == "access.log":
            configuration = {**configuration, "access_log": str(self.scratch / "access.log")}
        self.write(configuration)
        parsed = configuration if isinstance(configuration, dict) else {}
        self.port = conf.port_of(parsed, 0)
        self.admin_port = conf.admin_port_of(parsed)
        super().__init__("sluice", [*prefix, BUILD / "sluice", "run", "-c", self.path], env)
        if wait:
            self.wait_ready()
        self.buffered_at_start = self.metrics().total("sluice_buffered_bytes") if wait and self.admin_port else 0

    def write(self, configuration):
        """Replaces the file in one step, as an editor or a ConfigMap does."""
        text = conf.text(configuration) if isinstance(configuration, dict) else configuration
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        fresh.rename(self.path)
        self.configuration = configuration

    def wait_ready(self):
        def ready():
            if not self.running():
                self.reader.join(1)
                raise Deadline(f"sluice ended with {self.process.returncode}:\n{self.log()}")
            if self.admin_port:
                return self.admin_status("/readyz") == 200
            return can_connect(self.port)
        try:
            until("sluice is ready", ready, READY_S)
        except Deadline as error:
            raise Deadline(f"{error}\n{self.log()}") from None

    def admin(self, path, method="GET"):
        """(status, text) of the admin listener."""
        link = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=HANG_S)
        try:
            link.request(method, path)
            answer = link.getresponse()
            return answer.status, answer.read().decode()
        finally:
            link.close()

    def admin_status(self, path):
        try:
            return self.admin(path)[0]
        except OSError:
            return 0

    def metrics(self):
        status, text = self.admin("/metrics")
        if status != 200:
            raise AssertionError(f"/metrics answered {status}: {text}")
        return Metrics(text)

    def access_lines(self):
        """The access log so far, parsed."""
        path = self.scratch / "access.log"
        if not path.exists():
            return []
        whole = path.read_text().rpartition("\n")[0]  # a line may be on its way
        return [json.loads(line) for line in whole.splitlines() if line]

    def reload(self):
        self.signal(signal.SIGHUP)

    def generation(self):
        return self.metrics().total("sluice_config_generation")

    def wait_finished(self, reason, count=1, seconds=5 * SLOWER):
        """So many exchanges have ended for this reason."""
        def ends():
            return self.metrics().by("sluice_exchanges_finished_total", "reason")
        try:
            until(f"{count} ended with {reason}", lambda: ends().get(reason) == count, seconds)
        except Deadline as error:
            raise Deadline(f"{error}: {ends()}\n{self.admin('/exchanges')[1]}{self.log()}") from None

    def unsettled(self):
        """What an idle gateway must not have; empty when all is accounted for."""
        metrics = self.metrics()
        started, finished = (metrics.total(f"sluice_exchanges_{what}_total") for what in ("started", "finished"))
        found = []
        if started != finished:
            found.append(f"started {started:g}, finished {finished:g}: "
                         f"{metrics.by('sluice_exchanges_finished_total', 'reason')}")
        for gauge in ("sluice_exchanges_active", "sluice_endpoint_inflight", "sluice_endpoint_prefills", "sluice_endpoint_decodes",
                      "sluice_endpoint_queued_seconds", "sluice_endpoint_live_tokens", "sluice_pool_waiting"):
            if metrics.total(gauge) != 0:
                found.append(f"{gauge} is {metrics.total(gauge):g}")
        buffered = metrics.total("sluice_buffered_bytes") - self.buffered_at_start
        if buffered > 0:
            found.append(f"{buffered:g} bytes more are buffered than at the start")
        return found

    def wait_settled(self, seconds=5 * SLOWER):
        """Every exchange that was started has finished with a reason, and no byte of it is held."""
        last = []

        def settled():
            last[:] = self.unsettled()
            return not last
        try:
            until("the gateway settles", settled, seconds)
        except Deadline as error:
            raise Deadline(f"{error}; {'; '.join(last)}\n{self.admin('/exchanges')[1][:3000]}") from None


class Engine(Process):
    """sluice-engine: a simulated engine that obeys POST /debug/fault and counts what it aborts."""

    def __init__(self, *args, model="sim", port=None, faults=True, time_scale=0.01):
        self.port = port or free_port()
        self.args = args
        argv = [BUILD / "sluice-engine", "--listen", f"127.0.0.1:{self.port}", "--model", model,
                "--time-scale", time_scale, *args]
        if faults:
            argv.append("--allow-faults")
        super().__init__("sluice-engine", argv)
        self.wait_line("listening on")

    @property
    def url(self):
        scheme = "https" if "--tls-cert" in map(str, self.args) else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    def call(self, method, path, body=None):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG_S)
        try:
            link.request(method, path, json.dumps(body) if body is not None else None,
                         {"content-type": "application/json"})
            answer = link.getresponse()
            return answer.status, answer.read().decode()
        finally:
            link.close()

    def fault(self, kind, count=1, **more):
        status, text = self.call("POST", "/debug/fault", {"kind": kind, "count": count, **more})
        if status != 200:
            raise AssertionError(f"/debug/fault answered {status}: {text}")

    def stats(self):
        status, text = self.call("GET", "/debug/stats")
        if status != 200:
            raise AssertionError(f"/debug/stats answered {status}: {text}")
        return json.loads(text)


class Foreign(Process):
    """uvicorn, the server vLLM and SGLang use, with a small application; it closes idle connections after 5 s."""

    def __init__(self, *args):
        self.port = free_port()
        super().__init__("uvicorn", [PYTHON, SCENARIO / "foreign_engine.py", "--port", self.port, *args])
        until("uvicorn listens", lambda: can_connect(self.port) or not self.running(), READY_S)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"


def command(*args, stdin=None, seconds=20):
    """Runs `sluice ARGS` to its end: (exit status, standard output, standard error)."""
    done = subprocess.run([BUILD / "sluice", *map(str, args)], input=stdin, capture_output=True, text=True,
                          timeout=seconds * SLOWER, env={**os.environ, **SANITIZERS})
    return done.returncode, done.stdout, done.stderr


def now():
    return time.monotonic()

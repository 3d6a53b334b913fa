"""A headless Chromium, steered over a pipe by the DevTools protocol: JSON messages that end in NUL."""
import base64
import json
import os
import select
import shutil
import subprocess
import time

from lib.wait import Deadline, until

NAMES = ("chromium", "chromium-browser", "google-chrome")
# No sandbox: tests may run as root, and the one page that is opened is our own. Nothing of the browser's own goes out.
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
         "--remote-debugging-pipe", "--window-size=1400,900")
START_S, CALL_S = 60, 30


def find():
    """The program, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One tab. What its console and its policies complain of gathers in `complaints`."""

    def __init__(self, scratch):
        self.complaints = []
        self.answers, self.rest, self.last = {}, b"", 0
        theirs, self.to = os.pipe()
        self.come, ours = os.pipe()

        def give_pipes():  # it reads from 3 and writes to 4; by way of numbers that are neither
            high = os.dup(theirs), os.dup(ours)
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)
        self.process = subprocess.Popen([find(), *FLAGS, f"--user-data-dir={scratch / 'browser'}", "about:blank"], preexec_fn=give_pipes,
                                        pass_fds=(3, 4), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs)
        os.close(ours)
        self.session = None
        target = until("chromium has a tab", self._tab, START_S)
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def _tab(self):
        targets = self.call("Target.getTargets", seconds=START_S)["targetInfos"]
        return next((target["targetId"] for target in targets if target["type"] == "page"), None)

    def call(self, method, seconds=CALL_S, **params):
        self.last += 1
        message = {"id": self.last, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        answer = self._answer(self.last, method, time.monotonic() + seconds)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def _answer(self, number, method, until_s):
        while number not in self.answers:
            left = until_s - time.monotonic()
            if left <= 0 or not select.select([self.come], [], [], left)[0]:
                raise Deadline(f"chromium did not answer {method}")
            self._take(os.read(self.come, 1 << 16), method)
        return self.answers.pop(number)

    def _take(self, data, method):
        if not data:
            raise AssertionError(f"chromium ended during {method}")
        *whole, self.rest = (self.rest + data).split(b"\0")
        for message in map(json.loads, whole):
            if "id" in message:
                self.answers[message["id"]] = message
            else:
                self._note(message["method"], message["params"])

    def _note(self, event, params):
        """What a person with an open console would see in red, policies' violations included."""
        if event == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"].get("exception", {}).get("description") or str(params["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(" ".join(str(part.get("value", part.get("description"))) for part in params["args"]))
        elif event == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{params['entry']['source']}: {params['entry']['text']} {params['entry'].get('url', '')}")

    def open(self, url):
        self.call("Page.navigate", url=url)
        until(f"{url} is loaded", lambda: self.value("document.readyState") == "complete" and self.value("location.href") != "about:blank", CALL_S)

    def value(self, expression):
        """Of a JavaScript expression, by the debugger: the page's policy does not bind it."""
        got = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in got:
            raise AssertionError(f"{expression}: {got['exceptionDetails']}")
        return got["result"].get("value")

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
        except (AssertionError, OSError):
            self.process.kill()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.to)
        os.close(self.come)

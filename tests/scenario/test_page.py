"""The page on the admin listener: the fleet as people see it, in a real browser, with names that want to be markup."""
import base64
import hashlib
import http.client
import http.server
import json
import re
import threading
import unittest

from lib import browser, config
from lib.harness import ROOT
from lib.rawclient import chat
from lib.scenario import Scenario
from lib.wait import until

PAGE = ROOT / "gateway" / "page" / "fleet.html"
TOKENIZER = ROOT / "tests" / "engine" / "tokenizer"
HOSTILE = "<img src=x onerror=\"document.title='owned'\"></section>"
ROWS = ("[...document.querySelectorAll('.row')].filter(row => !row.hidden)"
        ".map(row => [...row.children].map(cell => cell.innerText.trim()))")
TILE = "document.querySelector('#tile-%s .%s').innerText"


class Served(Scenario):
    """What needs no browser."""

    def test_the_page_is_the_file_and_its_policy_names_what_is_in_it(self):
        gateway = self.in_front_of("http://127.0.0.1:9")
        link = http.client.HTTPConnection("127.0.0.1", gateway.admin_port, timeout=self.slower(5))
        link.request("GET", "/")
        answer = link.getresponse()
        body, policy = answer.read(), answer.getheader("content-security-policy")
        link.close()
        self.assertEqual((answer.status, answer.getheader("content-type")), (200, "text/html; charset=utf-8"))
        self.assertEqual(body, PAGE.read_bytes())
        self.assertTrue(policy.startswith("default-src 'none'; "), policy)
        for element in ("style", "script"):
            inside = re.search(rb"<%s>(.*?)</%s>" % (element.encode(), element.encode()), body, re.DOTALL)[1]
            digest = base64.b64encode(hashlib.sha256(inside).digest()).decode()
            self.assertIn(f"{element}-src 'sha256-{digest}';", policy)
        self.assertNotIn("unsafe", policy)

    def test_the_page_asks_nobody_but_its_gateway(self):
        text = PAGE.read_text()
        self.assertEqual(set(re.findall(r"https?://[^'\"\s]+", text)), {"http://www.w3.org/2000/svg"})  # a name, not an address
        self.assertEqual(re.findall(r"fetch\(\"(.*?)\"", text), ["/fleet"])
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "import("):
            self.assertNotIn(word, text)


@unittest.skipUnless(browser.find(), "chromium is not installed")
class Page(Scenario):
    def look_at(self, gateway):
        """A tab with the page of a gateway, or of what listens at a port."""
        tab = browser.Browser(self.scratch)
        self.addCleanup(tab.close)
        tab.open(f"http://127.0.0.1:{getattr(gateway, 'admin_port', gateway)}/")
        until("the fleet is drawn", lambda: tab.value("document.querySelectorAll('.row').length") > 0)
        return tab

    def shown(self, tab, what, expression, good):
        """Waits until the page says something of which good() is true."""
        last = []

        def look():
            last[:] = [tab.value(expression)]
            return good(last[0])
        try:
            until(what, look)
        except AssertionError as error:
            raise AssertionError(f"{error}: {last}; {tab.complaints}") from None
        return last[0]

    def ask(self, gateway, messages, **more):
        link = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=self.slower(30))
        try:
            link.request("POST", "/v1/chat/completions", json.dumps({"model": "sim", "messages": messages, **more}),
                         {"content-type": "application/json"})
            return link.getresponse().read()
        finally:
            link.close()

    def test_rows_and_numbers_follow_the_traffic(self):
        engines = [self.engine("--tokenizer", TOKENIZER, time_scale=1) for _ in range(2)]
        gateway = self.gateway(config.gateway(config.pool("main", [engine.url for engine in engines], metrics={"active": True}),
                                              models=[config.model("sim", "main", tokenizer=str(TOKENIZER))]))
        tab = self.look_at(gateway)
        rows = self.shown(tab, "two rows", ROWS, lambda rows: len(rows) == 2)
        self.assertEqual([row[0] for row in rows], [engine.url for engine in engines])
        self.assertEqual({row[1] for row in rows}, {"ready"})
        self.assertEqual(tab.value(TILE % ("ready", "value")), "2 / 2")
        self.assertEqual(tab.value("document.querySelector('#models b').innerText"), "sim")
        messages = [{"role": "user", "content": "tell me of the river and the sea " * 30}]
        self.ask(gateway, messages, max_tokens=2)
        until("the index heard of it", lambda: gateway.metrics().total("sluice_prefix_index_holders") > 0)
        for _ in range(3):
            self.ask(gateway, messages, max_tokens=2)
        self.shown(tab, "four were served", TILE % ("rate", "note"), lambda text: text == "4 served, 0 failed")
        hit = self.shown(tab, "what was found in caches", TILE % ("hit", "value"), lambda text: text != "\u2014")
        self.assertGreater(int(re.match(r"\d+", hit)[0]), 50, "three of four prompts were there but for their last block")
        guess = self.shown(tab, "what was predicted", TILE % ("hit", "note"), lambda text: re.match(r"\d", text))
        self.assertAlmostEqual(int(re.match(r"\d+", guess)[0]), int(re.match(r"\d+", hit)[0]), delta=26)
        self.shown(tab, "what engines say", ROWS, lambda rows: all(re.match(r"\d+ run, \d+ wait", row[4]) and re.match(r"\d", row[5]) for row in rows))
        for engine in engines:
            engine.fault("stall-head")
        stalled = self.client(gateway)
        stalled.send(chat())
        self.shown(tab, "one in flight", TILE % ("inflight", "value"), lambda text: text == "1")
        self.shown(tab, "one in flight at one endpoint", ROWS, lambda rows: sorted(row[2] for row in rows) == ["0", "1"])
        stalled.close()
        self.shown(tab, "none in flight", TILE % ("inflight", "value"), lambda text: text == "0")
        self.assertEqual(tab.complaints, [])

    def test_every_number_has_its_place_and_what_is_not_said_is_a_dash(self):
        full = {"endpoint": "full", "ready": True, "weight": 1, "inflight": 12, "served": 50000, "failed": 3, "probe_failing": False,
                "ejected_for_ms": 0, "prompt_tokens": 1000, "cached_tokens": 410, "predicted_cached_tokens": 430,
                "own": {"queued_s": 0.25, "queued_tokens": 4000, "live_tokens": 9000, "prefills": 2, "decodes": 10},
                "reported": {"age_ms": 20, "waiting": 1, "running": 11, "usage": 0.62, "capacity_tokens": 307328}, "pace": {"token_s": 0.0000628},
                "cache": {"known_by": "events", "connected": True, "page_tokens": 16, "trust": 0.96}}
        bare = {"endpoint": "bare", "ready": True, "own": {}, "reported": {"usage": None, "capacity_tokens": None, "waiting": None}}
        states = [{"endpoint": "back", "ready": True, "weight": 0.4, "cache": {"known_by": "events", "connected": False}},
                  {"endpoint": "out", "ready": False, "ejected_for_ms": 12000, "cache": {"known_by": "model", "events": "silent", "trust": 1}},
                  {"endpoint": "down", "ready": False, "probe_failing": True, "cache": {"known_by": "model", "events": None}}]
        said = {"fleet": 7, "models": [], "pools": [{"pool": "p", "engine": "vllm", "route": "price", "waiting": 4, "panic": True,
                                                    "endpoints": [full, bare, *states]}]}
        tab = self.look_at(self.stand_in(said))
        rows = [[re.sub(r"\s+", " ", cell) for cell in row] for row in tab.value(ROWS)]
        self.assertEqual(rows[0][:9], ["full", "ready", "12", "250 ms", "11 run, 1 wait", "62 % of 307k", "41 % (43 %)", "events 96 %", "63 \u00b5s"])
        self.assertEqual(rows[1][:9], ["bare", "ready"] + ["\u2014"] * 7)
        self.assertEqual([row[7] for row in rows[2:]], ["events, lost", "model, events silent 100 %", "model"])
        self.assertEqual(tab.value("[...document.querySelectorAll('#tile-ready .parts i')].map(part => [part.className, part.style.flexGrow])"),
                         [["good", "2"], ["warn", "1"], ["bad", "2"]])
        self.assertEqual([row[1] for row in rows[2:]], ["returning 40 %", "ejected 12.0 s", "check fails"])
        self.assertEqual(tab.value("document.querySelector('.row .bar i').style.width"), "100%")
        for tile, value, note in (("ready", "3 / 5", "2 in trouble"), ("held", "4", "waiting for room"),
                                  ("rate", "0.0", "50.0k served, 3 failed"), ("hit", "41 %", "43 % predicted")):
            shown = [re.sub(r"\s+", " ", self.shown(tab, tile, TILE % (tile, part), lambda text: "\u2014" not in text)) for part in ("value", "note")]
            self.assertEqual((tile, *shown), (tile, value, note))
        chips = tab.value("[...document.querySelectorAll('.pool .title .chip')].map(chip => chip.innerText)")
        self.assertEqual(chips, ["vllm", "price", "3 of 5 ready", "4 held", "panic: health is ignored"])
        self.assertEqual(tab.complaints, [])

    def test_names_are_text_and_never_markup(self):
        """The gateway's own rules let few names through; the page does not count on them."""
        said = {"fleet": 1, "models": [{"model": HOSTILE, "versions": [{"version": HOSTILE, "pool": HOSTILE, "weight": 1, "tokens": HOSTILE}]}],
                "pools": [{"pool": HOSTILE, "engine": HOSTILE, "route": HOSTILE, "waiting": "many", "endpoints": [
                    {"endpoint": HOSTILE, "ready": "yes", "inflight": HOSTILE, "served": None}, {"endpoint": "well", "ready": True, "inflight": 3}]}]}
        tab = self.look_at(self.stand_in(said))
        rows = tab.value(ROWS)
        self.assertEqual([row[:3] for row in rows], [[HOSTILE, "not ready", "\u2014"], ["well", "ready", "3"]])
        for selector in ("h2", "#models b"):
            self.assertEqual(tab.value(f"document.querySelector('{selector}').textContent"), HOSTILE)
        self.assertEqual(tab.value("document.querySelectorAll('img, main script, #models script').length"), 0)
        self.assertEqual(tab.value("document.title"), "sluice fleet")
        self.assertEqual(tab.complaints, [])

    def stand_in(self, said):
        """Serves the gateway's page, with its policy, beside a /fleet that no gateway would give."""
        gateway = self.in_front_of("http://127.0.0.1:9")
        link = http.client.HTTPConnection("127.0.0.1", gateway.admin_port, timeout=self.slower(5))
        link.request("GET", "/")
        answer = link.getresponse()
        pages = {"/": (answer.getheader("content-type"), answer.getheader("content-security-policy"), answer.read()),
                 "/fleet": ("application/json", "", json.dumps(said).encode())}
        link.close()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                media, policy, body = pages[self.path]
                self.send_response(200)
                self.send_header("content-type", media)
                self.send_header("content-security-policy", policy)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(lambda: (server.shutdown(), thread.join(), server.server_close()))
        return server.server_port

    def test_the_policy_holds_even_against_the_page(self):
        tab = self.look_at(self.in_front_of("http://127.0.0.1:9"))
        tab.value("document.body.append(Object.assign(document.createElement('script'), {textContent: \"document.title = 'owned'\"}))")
        self.assertEqual(tab.value("document.title"), "sluice fleet")
        self.shown(tab, "the complaint", "0", lambda _: any("Content Security Policy" in text for text in tab.complaints))

    def test_a_thousand_endpoints_cost_the_rows_in_sight(self):
        urls = [f"http://127.0.0.1:{10000 + n}" for n in range(1024)]
        tab = self.look_at(self.in_front_of(*urls))
        self.assertEqual(tab.value(TILE % ("ready", "value")), "1024 / 1024")
        self.assertLess(len(tab.value(ROWS)), 60)
        self.assertTrue(tab.value("(map => map.getContext('2d').getImageData(0, 0, map.width, map.height).data.some(Boolean))"
                                  "(document.querySelector('.map'))"), "the map is empty")
        tab.value("document.querySelector('.map').dispatchEvent(new MouseEvent('mousemove', {clientX: document.querySelector('.map').getBoundingClientRect().x + 15,"
                  " clientY: document.querySelector('.map').getBoundingClientRect().y + 5}))")
        self.assertEqual(tab.value("document.querySelector('.map').title"), urls[1])
        tab.value("window.scrollTo(0, document.body.scrollHeight)")
        self.shown(tab, "the last row", ROWS, lambda rows: urls[-1] in [row[0] for row in rows])
        self.assertLess(len(tab.value(ROWS)), 60)
        tab.value("(box => { box.value = ':10512'; box.dispatchEvent(new Event('input')); })(document.getElementById('filter'))")
        self.assertEqual([row[0] for row in tab.value(ROWS)], ["http://127.0.0.1:10512"])
        self.assertEqual(tab.complaints, [])

    def test_the_colours_are_those_that_the_reader_prefers(self):
        tab = self.look_at(self.in_front_of("http://127.0.0.1:9"))
        backs = []
        for scheme in ("light", "dark"):
            tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            backs.append([int(n) for n in re.findall(r"\d+", tab.value("getComputedStyle(document.body).backgroundColor"))[:3]])
        self.assertGreater(min(backs[0]), 200)
        self.assertLess(max(backs[1]), 50)

    def test_a_gateway_that_is_away_is_said_to_be(self):
        gateway = self.in_front_of("http://127.0.0.1:9")
        tab = self.look_at(gateway)
        gateway.stop()
        text = self.shown(tab, "the gateway is away", "document.getElementById('away').innerText", bool)
        self.assertIn("does not answer", text)
        self.assertEqual(len(tab.value(ROWS)), 1, "what it said last stays")


if __name__ == "__main__":
    unittest.main()

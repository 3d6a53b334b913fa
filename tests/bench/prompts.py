#!/usr/bin/env python3
"""prompts.py [--tokenizer FOLDER]: CPU a request with prompts turned into tokens, beside a plain proxy.

Starts a sluice with one worker and a tokenizer, and haproxy where it is installed, in front of the proxy bench's
stub (its folder: $PROXY_BENCH, default ../shared/bench beside the checkout). Each gets the same fresh chats, round by
round, over one connection that stays open: 1 KB, 10,000 tokens, 100,000 tokens. CPU is that of the proxy's processes.
"""
import argparse
import http.client
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCH = pathlib.Path(os.environ.get("PROXY_BENCH", ROOT.parent / "shared" / "bench"))
SLUICE = pathlib.Path(os.environ.get("SLUICE_BUILD", ROOT / "build")) / "sluice"
ROUNDS = 3
# What is measured: bytes of text (about 4.4 a token), requests a round, and what is asked of a core.
SIZES = [("1 KB", 1000, 1500, None), ("10k tokens", 44_000, 60, 300), ("100k tokens", 440_000, 12, 40)]

SLUICE_CONF = """
workers: 1
access_log: {scratch}/access.log
listeners: [ {{ address: "127.0.0.1:{port}" }} ]
models: [ {{ name: m, pool: engines, tokenizer: "{tokenizer}" }} ]
pools:
  - name: engines
    engine: vllm
    health: {{ active: off }}
    endpoints: [ "http://127.0.0.1:{stub}" ]
"""
HAPROXY_CONF = """
global
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend f
    bind 127.0.0.1:{port}
    default_backend b
backend b
    server s 127.0.0.1:{stub}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_s(pid):
    """Of all its threads, those that ended not included: none do here."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()) / 1e9


def wait_for(port):
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.02)
    sys.exit(f"nothing listens on port {port}")


def texts():
    """Paragraphs of this project's documents: words are known, and no order of them was seen."""
    return [part for path in ROOT.glob("**/*.md") if "build" not in path.parts for part in path.read_text().split("\n\n") if len(part) > 40]


def bodies(paragraphs, size, count, seed):
    dice = random.Random(seed)
    for _ in range(count):
        text = ""
        while len(text) < size:
            text += dice.choice(paragraphs) + "\n\n"
        yield json.dumps({"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": text[:size]}]})


def drive(proxy, requests):
    """CPU seconds a request."""
    link = http.client.HTTPConnection("127.0.0.1", proxy["port"], timeout=30)
    begun = cpu_s(proxy["process"].pid)
    for body in requests:
        link.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
        answer = link.getresponse()
        answer.read()
        if answer.status != 200:
            sys.exit(f"{proxy['name']} answered {answer.status}")
    link.close()
    return (cpu_s(proxy["process"].pid) - begun) / len(requests)


def start(name, argv, port):
    process = subprocess.Popen([str(part) for part in argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(port)
    return {"name": name, "process": process, "port": port}


def start_all(scratch, tokenizer):
    stub, ours, theirs = free_port(), free_port(), free_port()
    # It says 200 prompt tokens whatever it got; sluice would trust its own count no longer. So it says nothing.
    (scratch / "stub.c").write_text((BENCH / "stub.c").read_text().replace("prompt_tokens", "prompt_tokenz"))
    subprocess.run(["gcc", "-O2", "-w", "-o", scratch / "stub", scratch / "stub.c"], check=True)
    (scratch / "sluice.yaml").write_text(SLUICE_CONF.format(scratch=scratch, port=ours, stub=stub, tokenizer=tokenizer))
    started = [start("stub", [scratch / "stub", "-p", stub, "-n", "1", "-q"], stub),
               start("sluice", [SLUICE, "run", "-c", scratch / "sluice.yaml"], ours)]
    if shutil.which("haproxy"):
        (scratch / "haproxy.cfg").write_text(HAPROXY_CONF.format(port=theirs, stub=stub))
        started.append(start("haproxy", ["haproxy", "-db", "-f", scratch / "haproxy.cfg"], theirs))
    return started


def measure(proxies):
    paragraphs = texts()
    for proxy in proxies:
        drive(proxy, list(bodies(paragraphs, 100_000, 20, "warm")))
    for words, size, count, asked in SIZES:
        best = {}
        for number in range(ROUNDS):
            requests = list(bodies(paragraphs, size, count, f"{words} {number}"))
            for proxy in proxies:
                best[proxy["name"]] = min(best.get(proxy["name"], 1e9), drive(proxy, requests))
        for name, taken_s in best.items():
            print(f"{words:12} {name:8} {taken_s * 1e6:9.1f} us a request {1 / taken_s:9.0f} a CPU second", end="")
            print(f"   asked: {asked}" if asked and name == "sluice" else "")
        if asked is None and "haproxy" in best:
            print(f"{words:12} sluice needs {best['sluice'] / best['haproxy']:.2f} of haproxy's")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", default=ROOT.parent / "shared" / "tokenizers" / "llama3_2", type=pathlib.Path)
    options = parser.parse_args()
    if not (BENCH / "stub.c").exists() or not options.tokenizer.is_dir():
        print(f"SKIP: no stub.c in {BENCH} or no tokenizer in {options.tokenizer}")
        return 77
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="sluice-prompts-"))
    started = []
    try:
        started = start_all(scratch, options.tokenizer)
        measure(started[1:])
        lines = [json.loads(line) for line in (scratch / "access.log").read_text().splitlines()]
        print("tokens:", {word: sum(line["tokens"] == word for line in lines) for word in {line["tokens"] for line in lines}},
              "most in a prompt:", max(line["predicted_prompt_tokens"] for line in lines))
    finally:
        for proxy in started:
            proxy["process"].terminate()
            proxy["process"].wait()
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

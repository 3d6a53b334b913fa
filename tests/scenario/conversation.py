#!/usr/bin/env python3
"""The demo's client: a conversation of several turns, streamed through the gateway.

Prints which endpoint answered each turn, how long the first token took and how many tokens of the
prompt were cached there. Exit status 1 when anything is not as it must be: a turn without content, an
end or usage, an unknown endpoint, or an engine that saw the conversation's beginning before and
cached nothing of it.
"""
import http.client
import json
import sys
import time
import urllib.parse

TURNS = [
    "I am planning a week of walking along a river in the mountains. We are two adults and a child of nine years. "
    "Where should we start, and how far can we walk each day?",
    "The child tires after three hours. Which days should be shorter, and where could we rest?",
    "It may rain on two of the days. What could we do instead of walking?",
    "Please make a list of what each of us should carry.",
    "Now write the whole plan down, one line for each day.",
]
SYSTEM = ("You are a patient guide who knows the valleys well. Answer in a few sentences, name distances in kilometres, "
          "and say when you are not certain. ")


class Wrong(Exception):
    """Something the demo shows is not true."""


def ask(address, model, messages):
    """One turn: (text, endpoint, seconds to the first token, usage)."""
    link = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    start = time.monotonic()
    link.request("POST", "/v1/chat/completions", json.dumps({
        "model": model, "messages": messages, "stream": True, "max_tokens": 48,
        "stream_options": {"include_usage": True}}), {"content-type": "application/json"})
    answer = link.getresponse()
    if answer.status != 200:
        raise Wrong(f"status {answer.status}: {answer.read().decode()}")
    text, first_s, usage, finished, ended = "", None, None, False, False
    for line in answer:
        if not line.startswith(b"data: "):
            continue
        if line.strip() == b"data: [DONE]":
            ended = True
            continue
        event = json.loads(line[6:])
        usage = event.get("usage") or usage
        for choice in event.get("choices", []):
            piece = choice["delta"].get("content") or ""
            if piece and first_s is None:
                first_s = time.monotonic() - start
            text += piece
            finished = finished or choice.get("finish_reason") is not None
    link.close()
    for what, there in (("content", text), ("a finish_reason", finished), ("[DONE]", ended), ("usage", usage)):
        if not there:
            raise Wrong(f"the stream has no {what}")
    return text, answer.getheader("x-sluice-endpoint"), first_s, usage


def converse(url, model):
    address = urllib.parse.urlsplit(url)
    messages, seen = [{"role": "system", "content": SYSTEM}], set()
    print(f"{'turn':>4}  {'endpoint':<24} {'first token':>11}  {'prompt':>6}  {'cached':>6}  answer")
    for number, turn in enumerate(TURNS, 1):
        messages.append({"role": "user", "content": turn})
        text, endpoint, first_s, usage = ask(address, model, messages)
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        print(f"{number:>4}  {endpoint or '?':<24} {first_s * 1000:>8.0f} ms  {usage['prompt_tokens']:>6}  {cached:>6}  {text.strip()[:48]}",
              flush=True)
        if not endpoint:
            raise Wrong("the answer does not say which endpoint it came from")
        if endpoint in seen and not cached:
            raise Wrong(f"{endpoint} has seen this conversation before and cached nothing")
        seen.add(endpoint)
        messages.append({"role": "assistant", "content": text})


def main(url, model):
    try:
        converse(url, model)
    except (Wrong, OSError, ValueError, KeyError) as error:
        print(f"not as it must be: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

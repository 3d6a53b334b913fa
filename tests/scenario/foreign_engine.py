#!/usr/bin/python3
"""An engine that is not ours: uvicorn, the server vLLM and SGLang run on, with a small ASGI application.

HTTP/1.1 only, idle connections closed after 5 s, chunks as uvicorn makes them. It answers chat completions (streamed
and not), completions, models and health, and tells in /debug/stats what it saw, as sluice-engine does. Runs on
Debian's python3-uvicorn alone.
"""
import argparse
import asyncio
import itertools
import json
import time

import uvicorn

JSON = [(b"content-type", b"application/json")]
STREAM = [(b"content-type", b"text/event-stream; charset=utf-8")]


def error(status, kind, message):
    return status, {"error": {"message": message, "type": kind, "param": None, "code": status}}


class Engine:
    def __init__(self, model, interval_s):
        self.model, self.interval_s = model, interval_s
        self.numbers = itertools.count(1)
        self.stats = {"requests": 0, "aborts": 0, "in_flight": 0}

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            body = await read_body(receive)
            if body is not None:
                await self.answer(scope, body, receive, send)

    async def answer(self, scope, body, receive, send):
        serve = self.routes.get((scope["method"], scope["path"]))
        if serve:
            await serve(self, body, receive, send)
        else:
            await send_json(send, 404, {"detail": "Not Found"})

    async def health(self, body, receive, send):
        await send_whole(send, 200, [], b"")

    async def models(self, body, receive, send):
        card = {"id": self.model, "object": "model", "created": int(time.time()), "owned_by": "foreign", "root": self.model,
                "parent": None, "max_model_len": 4096, "permission": []}
        await send_json(send, 200, {"object": "list", "data": [card]})

    async def tell(self, body, receive, send):
        await send_json(send, 200, self.stats)

    async def chat(self, body, receive, send):
        await self.generate(body, receive, send, "messages", Chat)

    async def completions(self, body, receive, send):
        await self.generate(body, receive, send, "prompt", Completion)

    async def generate(self, body, receive, send, key, form):
        try:
            asked = json.loads(body)
            prompt = json.dumps(asked[key])
        except (ValueError, TypeError, KeyError) as wrong:
            return await send_json(send, *error(400, "BadRequestError", f"the body is wrong: {wrong!r}"))
        if asked.get("model") not in (None, self.model):
            return await send_json(send, *error(404, "NotFoundError", f"The model `{asked['model']}` does not exist."))
        self.stats["requests"] += 1
        self.stats["in_flight"] += 1
        work = asyncio.ensure_future(self.say(form(self, asked, prompt, next(self.numbers)), asked, send))
        leaves = asyncio.ensure_future(wait_disconnect(receive))
        await asyncio.wait({work, leaves}, return_when=asyncio.FIRST_COMPLETED)
        self.stats["aborts"] += not work.done()
        self.stats["in_flight"] -= 1
        for task in (work, leaves):
            task.cancel()
        await asyncio.gather(work, leaves, return_exceptions=True)

    async def say(self, answer, asked, send):
        if not asked.get("stream"):
            await asyncio.sleep(self.interval_s * answer.tokens)
            return await send_json(send, 200, answer.whole())
        await send({"type": "http.response.start", "status": 200, "headers": STREAM})
        for event in answer.events(asked.get("stream_options") or {}):
            await send({"type": "http.response.body", "body": b"data: " + event + b"\n\n", "more_body": True})
            await asyncio.sleep(self.interval_s)
        await send({"type": "http.response.body", "body": b""})

    routes = {("GET", "/health"): health, ("GET", "/v1/models"): models, ("GET", "/debug/stats"): tell,
              ("POST", "/v1/chat/completions"): chat, ("POST", "/v1/completions"): completions}


class Answer:
    """Words, counted; what it takes to say them in one API."""

    def __init__(self, engine, asked, prompt, number):
        self.model, self.created = engine.model, int(time.time())
        self.id = f"{self.prefix}{number}"
        self.tokens = asked.get("max_completion_tokens") or asked.get("max_tokens") or 16
        self.prompt_tokens = len(prompt.split())

    def words(self):
        return [f"word{i} " for i in range(self.tokens)]

    def usage(self):
        return {"prompt_tokens": self.prompt_tokens, "total_tokens": self.prompt_tokens + self.tokens,
                "completion_tokens": self.tokens}

    def body(self, kind, choices, **more):
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model, "choices": choices, **more}

    def events(self, options):
        for choices in self.pieces():
            yield json.dumps(self.body(self.piece_kind, choices)).encode()
        if options.get("include_usage"):
            yield json.dumps(self.body(self.piece_kind, [], usage=self.usage())).encode()
        yield b"[DONE]"

    def reason(self, at):
        return "length" if at == self.tokens - 1 else None


class Chat(Answer):
    prefix, kind, piece_kind = "chatcmpl-", "chat.completion", "chat.completion.chunk"

    def pieces(self):
        yield [{"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}]
        for at, word in enumerate(self.words()):
            yield [{"index": 0, "delta": {"content": word}, "logprobs": None, "finish_reason": self.reason(at)}]

    def whole(self):
        message = {"role": "assistant", "content": "".join(self.words()), "tool_calls": []}
        return self.body(self.kind, [{"index": 0, "message": message, "logprobs": None, "finish_reason": "length"}],
                         usage=self.usage())


class Completion(Answer):
    prefix, kind, piece_kind = "cmpl-", "text_completion", "text_completion"

    def pieces(self):
        for at, word in enumerate(self.words()):
            yield [{"index": 0, "text": word, "logprobs": None, "finish_reason": self.reason(at)}]

    def whole(self):
        return self.body(self.kind, [{"index": 0, "text": "".join(self.words()), "logprobs": None, "finish_reason": "length"}],
                         usage=self.usage())


async def read_body(receive):
    """All of the request's body; None when the client left meanwhile."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message["body"]
        if not message.get("more_body"):
            return body


async def wait_disconnect(receive):
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_whole(send, status, headers, body):
    headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_json(send, status, value):
    await send_whole(send, status, JSON, json.dumps(value).encode())


def main():
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--port", type=int, required=True)
    flags.add_argument("--model", default="sim")
    flags.add_argument("--interval-ms", type=float, default=1, help="between two events")
    args = flags.parse_args()
    uvicorn.run(Engine(args.model, args.interval_ms / 1000), host="127.0.0.1", port=args.port, lifespan="off",
                log_level="warning", access_log=False)


if __name__ == "__main__":
    main()

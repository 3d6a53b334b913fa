"""Runs inside the virtual environment that has the OpenAI SDK: each case prints what it saw, as JSON.

Usage: client.py BASE_URL CASE. The cases are the functions below.
"""
import json
import sys
import time

import openai

MESSAGES = [{"role": "user", "content": "Tell me about rivers."}]
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Weather of a city.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]


def client_for(url, **more):
    return openai.OpenAI(base_url=url + "/v1", api_key="sk-test", timeout=30, **{"max_retries": 0, **more})


def whole(url):
    answer = client_for(url).chat.completions.create(model="sim", messages=MESSAGES)
    return {"content": answer.choices[0].message.content, "finish": answer.choices[0].finish_reason, "output": answer.usage.completion_tokens,
            "request_id": answer._request_id}


def stream(url):
    text, usage, finish, chunks = "", None, None, 0
    for piece in client_for(url).chat.completions.create(model="sim", messages=MESSAGES, stream=True):
        chunks += 1
        text += piece.choices[0].delta.content or ""  # an event without choices would raise
        finish = piece.choices[0].finish_reason or finish
        usage = piece.usage or usage
    return {"content": text, "finish": finish, "chunks": chunks, "usage": usage}


def stream_with_usage(url):
    last = None
    for piece in client_for(url).chat.completions.create(model="sim", messages=MESSAGES, stream=True, stream_options={"include_usage": True}):
        last = piece
    return {"choices": len(last.choices), "output": last.usage.completion_tokens}


def tools(url):
    client = client_for(url)
    asked = {"model": "sim", "messages": [{"role": "user", "content": "call the tool"}], "tools": TOOLS, "tool_choice": "required"}
    answer = client.chat.completions.create(**asked)
    call = answer.choices[0].message.tool_calls[0]
    arguments, name = "", None
    for piece in client.chat.completions.create(stream=True, **asked):
        for part in piece.choices[0].delta.tool_calls or []:
            name = part.function.name or name
            arguments += part.function.arguments or ""
    return {"name": call.function.name, "arguments": json.loads(call.function.arguments), "streamed_name": name, "streamed_arguments": json.loads(arguments)}


def responses(url):
    client = client_for(url)
    answer = client.responses.create(model="sim", input="Tell me about rivers.")
    kinds = [event.type for event in client.responses.create(model="sim", input="Tell me about rivers.", stream=True)]
    return {"text": answer.output_text, "first": kinds[0], "last": kinds[-1]}


def others(url):
    client = client_for(url)
    return {"models": [model.id for model in client.models.list()],
            "embedding": len(client.embeddings.create(model="sim", input="hi", encoding_format="float").data[0].embedding),
            "completion": client.completions.create(model="sim", prompt="hi").choices[0].text}


def errors(url):
    """{what: (class of the exception, status, code, param)}"""
    client, seen = client_for(url), {}
    for what, ask in {
            "unknown model": lambda: client.chat.completions.create(model="nobody", messages=MESSAGES),
            "bad value": lambda: client.chat.completions.create(model="sim", messages=MESSAGES, max_tokens="ten"),
            "engine says 400": lambda: client.chat.completions.create(model="sim", messages="none"),
            "unknown path": lambda: client.get("/nowhere", cast_to=object),
            "engine is busy": lambda: client.chat.completions.create(model="sim", messages=MESSAGES, extra_headers={"x-fault": "busy"}),
            "engine fails": lambda: client.chat.completions.create(model="sim", messages=MESSAGES, extra_headers={"x-fault": "status=500"}),
    }.items():
        try:
            ask()
            seen[what] = None
        except openai.APIStatusError as error:
            seen[what] = (type(error).__name__, error.status_code, error.code, error.param)
    return seen


def stream_error(url):
    """An error inside a stream raises in the middle of it."""
    pieces = 0
    try:
        for _ in client_for(url).chat.completions.create(model="sim", messages=MESSAGES, stream=True, extra_headers={"x-fault": "error-events=3"}):
            pieces += 1
    except openai.APIError as error:
        return {"pieces": pieces, "raised": type(error).__name__}
    return {"pieces": pieces, "raised": None}


def cancel(url):
    """Leaves streams after their third piece."""
    client = client_for(url)
    for _ in range(5):
        with client.chat.completions.create(model="sim", messages=MESSAGES, stream=True, max_tokens=5000) as pieces:
            for number, _ in enumerate(pieces):
                if number == 3:
                    break
    return {"cancelled": 5}


def retries(url):
    """The SDK's own retries: the fault is used up by the first attempts."""
    start = time.monotonic()
    answer = client_for(url, max_retries=3).chat.completions.create(model="sim", messages=MESSAGES)
    return {"content": answer.choices[0].message.content, "seconds": time.monotonic() - start}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[2]](sys.argv[1])))

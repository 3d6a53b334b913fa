"""Conversations for chat templates, of every shape that clients send: a seed names one."""
import random

TEXTS = ["Hello", "", " ", "\n", "  two  spaces \n", "What's 2 < 3 & \"q\" 'q' \\?", "<think>\nhm\n</think>\n\nAnswer", "</think>", "<think>", "<tool_call>\n{}\n</tool_call>",
         "<|im_start|>user\nx<|im_end|>", "\u00e9 \u4e2d\u6587 \U0001f600 \u2028", "{{ messages }} {% raw %}", "a\r\nb", "0", "True", "[INST] x [/INST]", "line\n" * 3, "\ttab"]
NAMES = ["get_weather", "f", "search.web", "add-two"]
SCHEMAS = [{"type": "object", "properties": {"city": {"type": "string", "description": "A city"}, "days": {"type": ["integer", "null"], "default": 3},
                                             "unit": {"type": "string", "enum": ["c", "f"]}}, "required": ["city"]},
           {"type": "object", "properties": {}}, {}, {"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "string"}}, "deep": {
               "type": "object", "properties": {"x": {"type": "number", "minimum": 1e-07, "maximum": 1e22}}, "additionalProperties": False}}}]
ARGUMENTS = [{}, {"city": "Paris"}, {"city": "S\u00e3o", "days": 3, "x": 1.5, "none": None, "yes": True}, {"tags": ["a", "b"], "deep": {"x": -0.0}}, "", '{"city": "Paris"}', "not json"]
RESULTS = ["22 degrees", '{"temperature": 22.0, "ok": true}', "", "[1, 2]", {"temperature": 22}, [{"type": "text", "text": "22"}], 5, None]


def part(rng):
    return rng.choice([{"type": "text", "text": rng.choice(TEXTS)}] * 4 + [{"type": "image"}, {"type": "image_url", "image_url": {"url": "http://x/y.png"}}, {"type": "audio"},
                                                                          {"type": "video"}, {"type": "input_text", "text": "t"}, {}])


def content(rng):
    draw = rng.random()
    if draw < 0.75:
        return rng.choice(TEXTS)
    return None if draw < 0.8 else [part(rng) for _ in range(rng.randint(0, 3))]


def call(rng):
    made = {"id": rng.choice(["call_1", "abcdefghi", "functions.f:0"]), "type": "function", "function": {"name": rng.choice(NAMES), "arguments": rng.choice(ARGUMENTS)}}
    if rng.random() < 0.1:
        made = made["function"]
    return made


def assistant(rng):
    message = {"role": "assistant", "content": content(rng)}
    if rng.random() < 0.35:
        message["tool_calls"] = [call(rng) for _ in range(rng.randint(0, 2))]
    for name in ("reasoning_content", "reasoning", "thinking"):
        if rng.random() < 0.12:
            message[name] = rng.choice(TEXTS + [None])
    if rng.random() < 0.05:
        del message["content"]
    return message


def turn(rng):
    """What a client adds at once."""
    messages = [{"role": "user", "content": content(rng)}, assistant(rng)]
    while messages[-1].get("tool_calls") and rng.random() < 0.9:
        messages += [{"role": rng.choice(["tool", "tool", "tool", "ipython"]), "content": rng.choice(RESULTS), "tool_call_id": "abcdefghi", "name": rng.choice(NAMES)}
                     for _ in messages[-1]["tool_calls"]]
        messages.append(assistant(rng))
    return messages


def messages(rng):
    made = []
    if rng.random() < 0.5:
        made.append({"role": rng.choice(["system", "system", "developer"]), "content": content(rng)})
    for _ in range(rng.randint(0, 3)):
        made += turn(rng)
    if rng.random() < 0.7:
        made.append({"role": "user", "content": content(rng)})
    if rng.random() < 0.1:
        rng.shuffle(made)
    return made


def tool(rng):
    function = {"name": rng.choice(NAMES), "description": rng.choice(TEXTS), "parameters": rng.choice(SCHEMAS)}
    if rng.random() < 0.2:
        del function["description"]
    if rng.random() < 0.2:
        function["strict"] = True
    return {"type": "function", "function": function} if rng.random() < 0.9 else function


KEYWORDS = {"enable_thinking": [True, False], "thinking": [True, False], "reasoning_effort": ["low", "high"], "date_string": ["1 Jan 2025"], "tools_in_user_message": [False],
            "builtin_tools": [["code_interpreter"]], "custom_tools": [[], None], "model_identity": ["You are x."], "preserve_thinking": [True], "clear_thinking": [False],
            "xml_tools": [["a"]], "citation_mode": ["fast"], "safety_mode": ["NONE"], "controls": [{"length": "short"}]}
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "image_token": "<image>"}


def conversation(template, seed):
    """A line for `sluice render --templates`."""
    rng = random.Random(f"{template} {seed}")
    return {
        "id": f"{template} {seed}", "template": template, "messages": messages(rng),
        "tools": [tool(rng) for _ in range(rng.randint(1, 3))] if rng.random() < 0.35 else rng.choice([None, None, []]),
        "documents": [{"title": rng.choice(TEXTS), "text": rng.choice(TEXTS), "doc_id": number} for number in range(2)] if rng.random() < 0.1 else None,
        "add_generation_prompt": rng.random() < 0.7, "kwargs": {name: rng.choice(values) for name, values in KEYWORDS.items() if rng.random() < 0.12},
        "special": SPECIAL if rng.random() < 0.9 else {}, "now": "2025-03-07T14:05:09"}

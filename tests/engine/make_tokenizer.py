#!/usr/bin/env python3
"""Makes tests/engine/tokenizer: a small byte-level BPE tokenizer of our own with a ChatML template.

    tests/engine/make_tokenizer.py [FOLDER]

The demo and the scenarios use it, so that they need no model's files. It is trained on the words that the engine
says (words.def), each with and without a space before it; the same words give the same files.
"""
import collections
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
MERGES = 1500
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = """\
{%- if tools %}
    {{- '<|im_start|>system\\n# Tools\\n' }}
    {%- for tool in tools %}
        {{- tool | tojson }}
        {{- '\\n' }}
    {%- endfor %}
    {{- '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content }}
    {%- for call in message.tool_calls or [] %}
        {{- '\\n<tool_call>' + (call.function | tojson) + '</tool_call>' }}
    {%- endfor %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""


def letters():
    """ByteLevel's letter of each byte: printable ones stand for themselves, others come from 256 on."""
    own = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    rest = iter(range(256, 512))
    return [chr(byte) if byte in own else chr(next(rest)) for byte in range(256)]


def train(words, count):
    """The most frequent pair first; equal ones in the order of their letters."""
    merges, pieces = [], [list(word) for word in words]
    while len(merges) < count:
        pairs = collections.Counter(pair for piece in pieces for pair in zip(piece, piece[1:]))
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for piece in pieces:
            i = 0
            while i + 1 < len(piece):
                if (piece[i], piece[i + 1]) == best:
                    piece[i : i + 2] = [piece[i] + piece[i + 1]]
                i += 1
    return merges


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "tokenizer"
    of_byte = letters()
    said = re.findall(r'WORD\("([^"]*)"\)', (HERE / "words.def").read_text())
    words = ["".join(of_byte[byte] for byte in (space + word).encode()) for word in said for space in ("", " ")]
    merges = train(words, MERGES)
    vocab = {}
    for token in [*of_byte, *("".join(pair) for pair in merges)]:
        vocab.setdefault(token, len(vocab))
    added = [{"id": len(vocab) + i, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for i, token in enumerate(SPECIAL)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
                 "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
                 "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                           "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                           "ignore_merges": False, "vocab": vocab,
                           "merges": [" ".join(pair) for pair in merges]}}
    config = {"bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "add_bos_token": False,
              "chat_template": TEMPLATE}
    folder.mkdir(exist_ok=True)
    for name, content in (("tokenizer.json", tokenizer), ("tokenizer_config.json", config)):
        (folder / name).write_text(json.dumps(content, ensure_ascii=True) + "\n")


main()

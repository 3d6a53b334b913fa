#!/usr/bin/env python3
"""cases.py FOLDER: writes FOLDER/FAMILY.cases for the selftest, from ../shared: texts, merges and the reference's ids.

Byte-level families with one Split or ByteLevel pattern only. A text whose ids need more than splitting and merging (added
tokens, normal forms, tokens that merges cannot reach) is run on the device as well, but its ids are not compared.
"""
import array
import gzip
import json
import pathlib
import struct
import sys
import unicodedata

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
from peer import byte_of_letter  # noqa: E402

SHARED = pathlib.Path(__file__).resolve().parents[3] / "shared"
MAGIC = 0x31435347
ID_BITS, RANK_BITS, GOLDEN = 21, 22, 0x9E3779B97F4A7C15  # merge_core.h
EMPTY = (1 << 64) - 1
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def pattern_of(tokenizer):
    """The one pattern that splits, or None."""
    steps = tokenizer["pre_tokenizer"] or {}
    steps = steps.get("pretokenizers", [steps])
    found = [step["pattern"].get("Regex") for step in steps if step.get("type") == "Split"]
    found += [GPT2 for step in steps if step.get("type") == "ByteLevel" and step.get("use_regex", True)]
    level = any(step.get("type") == "ByteLevel" and not step.get("add_prefix_space") for step in steps)
    return found[0] if len(found) == 1 and level and {step["type"] for step in steps} <= {"Split", "ByteLevel"} and not tokenizer["model"].get("end_of_word_suffix") else None


def pairs_of(model):
    """{(left, right): (rank, result)}; of equal pairs the last one counts."""
    vocabulary, pairs = model["vocab"], {}
    for rank, merge in enumerate(model["merges"]):
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        pairs[vocabulary[left], vocabulary[right]] = rank, vocabulary[left + right]
    return pairs


def slots_of(pairs):
    """The open table of merge_core.h, at most half full."""
    bits = max(4, (2 * len(pairs)).bit_length())
    slots, mask = array.array("Q", [EMPTY]) * (1 << bits), (1 << bits) - 1
    for (left, right), (rank, _) in pairs.items():
        key = left << ID_BITS | right
        at = (key * GOLDEN & EMPTY) >> (64 - bits)
        while slots[at] != EMPTY:
            at = (at + 1) & mask
        slots[at] = key << RANK_BITS | rank
    return slots


def merged(symbols, pairs):
    """Merging as plainly as it can be said."""
    while len(symbols) > 1:
        best = min(range(len(symbols) - 1), key=lambda i: pairs.get((symbols[i], symbols[i + 1]), (1 << 30, 0))[0])
        if (symbols[best], symbols[best + 1]) not in pairs:
            break
        symbols[best:best + 2] = [pairs[symbols[best], symbols[best + 1]][1]]
    return symbols


def comparable(tokenizer, pairs, byte_ids, vectors):
    """1 for each text whose ids come of splitting and merging alone."""
    byte_of, name_of, known = byte_of_letter(), {number: name for name, number in tokenizer["model"]["vocab"].items()}, {}
    added = {token["id"] for token in tokenizer["added_tokens"]}

    def reachable(number):
        if number not in known:
            known[number] = number in name_of and merged([byte_ids[byte_of[letter]] for letter in name_of[number]], pairs) == [number]
        return known[number]
    plain = (tokenizer.get("normalizer") or {}).get("type") != "NFC"
    for vector in vectors:
        same = plain or unicodedata.normalize("NFC", vector["text"]) == vector["text"]
        yield int(same and all(number not in added and reachable(number) for number in vector["ids"]))


def padded(data):
    return data + b"\0" * (-len(data) % 8)


def offsets(lengths):
    total = array.array("I", [0])
    for length in lengths:
        total.append(total[-1] + length)
    return total


def write(family, folder):
    tokenizer = json.loads(gzip.decompress((SHARED / "tokenizers" / family / "tokenizer.json.gz").read_bytes()))
    pattern = pattern_of(tokenizer) if tokenizer["model"].get("type") == "BPE" else None
    if not pattern:
        return
    vectors = [json.loads(line) for line in gzip.decompress((SHARED / "vectors" / f"{family}.jsonl.gz").read_bytes()).decode().split("\n") if line]
    pairs = pairs_of(tokenizer["model"])
    letter_of = {byte: letter for letter, byte in byte_of_letter().items()}
    byte_ids = array.array("I", [tokenizer["model"]["vocab"][letter_of[byte]] for byte in range(256)])
    results = array.array("I", [0]) * len(tokenizer["model"]["merges"])
    for rank, result in pairs.values():
        results[rank] = result
    slots, texts, ids = slots_of(pairs), [vector["text"].encode() for vector in vectors], [vector["ids"] for vector in vectors]
    flat, name = array.array("I", [number for row in ids for number in row]), pattern.encode() + b"\0"
    head = struct.pack("<8I", MAGIC, len(slots), len(results), len(texts), sum(map(len, texts)), len(flat), len(name), 0)
    parts = [head, name, slots.tobytes(), results.tobytes(), byte_ids.tobytes(), offsets(map(len, texts)).tobytes(), offsets(map(len, ids)).tobytes(), flat.tobytes(),
             bytes(comparable(tokenizer, pairs, byte_ids, vectors)), b"".join(texts)]
    (folder / f"{family}.cases").write_bytes(b"".join(map(padded, parts)))


if __name__ == "__main__":
    place = pathlib.Path(sys.argv[1])
    place.mkdir(parents=True, exist_ok=True)
    for source in sorted((SHARED / "vectors").glob("*.jsonl.gz")):
        write(source.name.removesuffix(".jsonl.gz"), place)

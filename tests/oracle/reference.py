"""What Hugging Face's `tokenizers` makes of texts; run by the Python of an environment that has it.

    reference.py encode FOLDER     {"id","text"} a line in, {"id","ids","special"} a line out: without and with add_special_tokens
    reference.py entries FOLDER    {"added": [...], "texts": [...]}: contents of added tokens, texts of all others

Truncation and padding are done where a file asks for them, as `sluice tokenize` does; engines reset both before they encode.
"""
import json
import pathlib
import sys

import tokenizers

BATCH = 500  # texts handed over at once; more is no faster


def load(folder):
    return tokenizers.Tokenizer.from_file(str(pathlib.Path(folder) / "tokenizer.json"))


def batches(lines):
    batch = []
    for line in lines:
        batch.append(json.loads(line))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def encode(folder):
    tokenizer = load(folder)
    for batch in batches(sys.stdin):
        texts = [entry["text"] for entry in batch]
        plain = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        special = tokenizer.encode_batch_fast(texts, add_special_tokens=True)
        for entry, one, other in zip(batch, plain, special):
            print(json.dumps({"id": entry["id"], "ids": one.ids, "special": other.ids}))


def entries(folder):
    """Every id's text as it decodes alone, and its name in the vocabulary: both are worth encoding."""
    tokenizer = load(folder)
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    vocabulary = tokenizer.get_vocab(with_added_tokens=False)
    texts = dict.fromkeys(vocabulary)
    for number in vocabulary.values():
        text = tokenizer.decode([number], skip_special_tokens=False)
        if "\ufffd" not in text:
            texts[text] = None
    json.dump({"added": added, "texts": list(texts)}, sys.stdout)


if __name__ == "__main__":
    sys.stdin.reconfigure(encoding="utf-8")
    sys.stdout.reconfigure(encoding="utf-8")
    {"encode": encode, "entries": entries}[sys.argv[1]](sys.argv[2])

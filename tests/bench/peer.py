"""One tokenizer library, timed on one text; run by the Python of an environment that has it.

    peer.py NAME FOLDER TEXT PASSES    FOLDER has a tokenizer.json; prints a line of JSON

The text is encoded in the pieces that `sluice tokenize --bench` takes. Time is the processor time of the whole process, so a
library that takes a second thread gains nothing by it. `cold` is the first pass after loading, `warm` the fastest later one.
"""
import hashlib
import json
import os
import sys
import time

PIECE = 65536

for variable in ("RAYON_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"


def pieces(data):
    """Pieces of at most 64 KB that end behind a line where they can."""
    at = 0
    while at < len(data):
        end = min(at + PIECE, len(data))
        line = data.rfind(b"\n", at, end) + 1
        end = line if line > at and end < len(data) else end
        yield data[at:end].decode()
        at = end


def byte_of_letter():
    """GPT-2's letters for bytes: printable Latin-1 stands for itself, the others for U+0100 and on."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {**{chr(byte): byte for byte in plain}, **{chr(0x100 + number): byte for number, byte in enumerate(others)}}


def hugging_face(path):
    import tokenizers
    tokenizer = tokenizers.Tokenizer.from_file(path)
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def tiktoken(path):
    """Ranks and pattern taken from tokenizer.json: nothing is downloaded."""
    import tiktoken as library
    with open(path, encoding="utf-8") as file:
        whole = json.load(file)
    byte_of = byte_of_letter()
    ranks = {bytes(byte_of[letter] for letter in entry): number for entry, number in whole["model"]["vocab"].items()}
    pattern = next(step["pattern"]["Regex"] for step in whole["pre_tokenizer"]["pretokenizers"] if step["type"] == "Split")
    return library.Encoding("bench", pat_str=pattern, mergeable_ranks=ranks, special_tokens={}).encode_ordinary


def gigatoken(path):
    import gigatoken as library
    return library.Tokenizer(path).encode


def fastokens(path):
    import fastokens as library
    tokenizer = library.Tokenizer.from_file(path)
    return lambda text: tokenizer.encode(text).ids


def snaptokens(path):
    import snaptokens as library
    tokenizer = library.Tokenizer.from_file(path)
    return lambda text: tokenizer.encode(text).ids


def tokie(path):
    import tokie as library
    tokenizer = library.Tokenizer.from_json(path)
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def splintr(path):
    import splintr as library
    return library.from_json(path).encode


def kitoken(path):
    import kitoken as library
    tokenizer = library.Kitoken.from_tokenizers_file(path)
    return lambda text: tokenizer.encode(text, True)


def quicktok(path):
    """Knows its vocabularies by name; of ours it has gpt-oss's."""
    import quicktok as library
    if "gptoss" not in path:
        raise LookupError("no such vocabulary")
    return library.get_encoding("o200k_base").encode_ordinary


def one_pass(encode, texts):
    """(seconds of processor, rows of ids)."""
    start = time.process_time()
    rows = [encode(text) for text in texts]
    return time.process_time() - start, rows


def main(name, folder, text, passes):
    encode = globals()[name](os.path.join(folder, "tokenizer.json"))
    with open(text, "rb") as file:
        data = file.read()
    texts = list(pieces(data))
    times = []
    for _ in range(passes):
        seconds, rows = one_pass(encode, texts)
        times.append(seconds)
    ids = [[int(number) for number in row] for row in rows]
    digest = hashlib.sha256(json.dumps(ids).encode()).hexdigest()
    print(json.dumps({"cold": len(data) / 1e6 / times[0], "warm": len(data) / 1e6 / min(times[1:]), "tokens": sum(map(len, ids)), "digest": digest}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))

#!/usr/bin/env python3
"""compare.py [options] [FOLDER...]: `sluice tokenize` beside Hugging Face's tokenizers, on texts made to tell them apart.

A FOLDER has a tokenizer.json(.gz), or folders that have one; left out: ../shared/tokenizers and the synthetic ones, which are
made on the spot. Each difference is one line of JSON, its text made as short as it goes; a tokenizer that sluice refuses is named
with sluice's words. Exit status 1: differences; 77: no reference.

    compare.py --texts 20000 --seed 7 ../shared/tokenizers/gptoss
    compare.py --kinds special,runs --texts 500
"""
import argparse
import collections
import functools
import json
import pathlib
import random
import subprocess
import sys

import pair
import texts as made

WORK = pair.ROOT / "build" / "oracle"
REPORTED = 3  # differences of a tokenizer and kind that are made short; the rest is counted


def synthetic(folder):
    """Makes the synthetic tokenizers, trained on this repository's own documentation."""
    done = subprocess.run([pair.fetched.tokenizers_python(), pathlib.Path(__file__).with_name("synthetic.py"), folder, *sorted(pair.ROOT.glob("**/README.md"))],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise pair.Broken(f"synthetic.py: {done.stderr[-500:]}")
    return folder


def tokenizers(folders):
    for folder in folders:
        found = sorted({path.parent for path in folder.glob("**/tokenizer.json*")})
        if not found:
            print(f"{folder}: no tokenizer.json", file=sys.stderr)
        yield from found


@functools.cache
def corpus(path):
    return path.read_text(encoding="utf-8", errors="ignore")


def kinds(folder, count, seed, corpora):
    """{kind: texts} for a tokenizer; `count` is about how many of each."""
    def rng(kind):
        return random.Random(f"{seed} {kind}")
    entries = pair.entries(folder)
    rows = {
        "unicode": made.unicode(rng("unicode"), count),
        "adversarial": made.adversarial(rng("adversarial"), count),
        "tokens": made.tokens(rng("tokens"), entries, count, count),
        "special": made.special(rng("special"), {**entries, "added": entries["added"][:max(20, count // 15)]}, count),
        "runs": made.runs(rng("runs"), [1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 255, 1000] + [10000] * (count >= 1000) + [100000] * (count >= 10000)),
    }
    for path in corpora:
        rows[path.stem] = made.slices(rng(path.stem), corpus(path), count, 20000)
    return rows


def report(folder, kind, difference):
    """One line about a difference, its text made short."""
    text, special, expected, got = pair.shortest(folder, difference[0], difference[1]) or difference
    print(json.dumps({"family": folder.name, "kind": kind, "special": special, "text": text[:2000], "expected": expected[:200], "got": got and got[:200]}), flush=True)


def compare(folder, options):
    """How many differences a tokenizer shows."""
    kind_of = {}
    for kind, texts in kinds(folder, options.texts, options.seed, options.corpora).items():
        if not options.kinds or kind in options.kinds.split(","):
            kind_of.update((text, kind) for text in texts if text not in kind_of)
    found, reported = 0, collections.Counter()
    try:
        for difference in pair.differences(folder, list(kind_of)):
            found += 1
            kind = kind_of[difference[0]]
            reported[kind] += 1
            if reported[kind] <= REPORTED:
                report(folder, kind, difference)
    except pair.Broken as error:
        found += 1
        print(json.dumps({"family": folder.name, "broken": str(error)}), flush=True)
    print(f"{folder.name}: {len(kind_of)} texts, {found} differ", flush=True)
    return found


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=pathlib.Path)
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--kinds", help="unicode, adversarial, tokens, special, runs, or a corpus by its name")
    parser.add_argument("--corpora", nargs="*", type=pathlib.Path, default=sorted((pair.ROOT / "build" / "corpora").glob("*.txt")), help="texts that are sliced")
    return parser.parse_args()


def main(options):
    try:
        folders = options.folders or [pair.SHARED / "tokenizers", synthetic(WORK / "synthetic")]
        pair.fetched.tokenizers_python()
    except pair.fetched.Missing as error:
        print(f"SKIP: {error}")
        return 77
    total, refused = 0, 0
    for source in tokenizers(folders):
        try:
            total += compare(pair.plain_folder(source, WORK / "plain" / source.parent.name), options)
        except pair.Unfit as error:
            print(f"{source.name}: no reference: {error}", flush=True)
        except pair.Refused as error:
            print(f"{source.name}: refused: {error}", flush=True)
            refused += 1
    print(f"{total} differences, {refused} refused")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main(arguments()))

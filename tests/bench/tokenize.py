#!/usr/bin/env python3
"""tokenize.py [options]: `sluice tokenize --bench` beside other tokenizers, one thread each, on the texts of corpora.py.

Every library reads the same tokenizer.json and encodes the same pieces of 64 KB. Rounds go through all of them in turn, so what
else the machine does hits all alike; the fastest round counts. MB/s are of processor time. `x` is sluice in parts of that library.
Where ids differ from Hugging Face's, a library's speed is that of something else: it is marked.

    tokenize.py --families gptoss --texts english --peers hugging_face,gigatoken --rounds 3
"""
import argparse
import gzip
import json
import os
import pathlib
import re
import subprocess
import sys

import corpora

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "scenario"))
from sdk import fetched  # noqa: E402

BUILD = pathlib.Path(os.environ.get("SLUICE_BUILD", ROOT / "build")).resolve()
TOKENIZERS = ROOT.parent / "shared" / "tokenizers"
# Passes over the text in a round: the slow ones have no caches that a third pass would warm further.
PEERS = {"hugging_face": 2, "tiktoken": 2, "gigatoken": 5, "fastokens": 4, "snaptokens": 4, "quicktok": 4, "tokie": 3, "splintr": 4, "kitoken": 3}
# Our own ways of splitting, as $SLUICE_SIMD names them; the empty one is what the processor has.
OURS = ("", "avx2", "scalar")


def plain(family):
    """A folder with the family's tokenizer.json, uncompressed, for those who read no .gz."""
    folder = ROOT / "build" / "oracle" / "plain" / "tokenizers" / family
    if not (folder / "tokenizer.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tokenizer.json").write_bytes(gzip.decompress((TOKENIZERS / family / "tokenizer.json.gz").read_bytes()))
    return folder


def sluice(simd, folder, text):
    """{"cold", "warm"} in MB/s, or None."""
    env = {**os.environ, **({"SLUICE_SIMD": simd} if simd else {})}
    done = subprocess.run([BUILD / "sluice", "tokenize", "--tokenizer", folder, "--bench", text], capture_output=True, text=True, env=env)
    rates = dict(re.findall(r"^(cold|warm) ([0-9.]+) MB/s", done.stdout, re.M))
    if done.returncode != 0 or len(rates) != 2:
        print(f"sluice {simd}: {done.returncode} {done.stderr.strip()[-300:]}", file=sys.stderr)
        return None
    return {name: float(rate) for name, rate in rates.items()}


def peer(name, folder, text):
    """What peer.py prints, or None."""
    done = subprocess.run([fetched.peers_python(), pathlib.Path(__file__).with_name("peer.py"), name, folder, text, str(PEERS[name])], capture_output=True, text=True)
    if done.returncode != 0:
        print(f"{name}: {(done.stderr.strip().splitlines() or [done.returncode])[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


def better(one, other):
    """The faster of two rounds, figure by figure."""
    if not one or not other:
        return one or other
    return {**one, **{figure: max(one[figure], other[figure]) for figure in ("cold", "warm")}}


def rounds(family, text, options):
    """{name: best figures} of sluice and the peers."""
    best = {}
    for _ in range(options.rounds):
        for simd in OURS:
            best[f"sluice {simd}".strip()] = better(best.get(f"sluice {simd}".strip()), sluice(simd, plain(family), text))
        for name in options.peers.split(","):
            # Who could not in the first round cannot in the second.
            if name not in best or best[name]:
                best[name] = better(best.get(name), peer(name, plain(family), text))
    return best


def table(family, text, best):
    ours, reference = best["sluice"], best.get("hugging_face")
    print(f"\n{family}, {text.stem}: MB/s of one processor\n{'':<16}{'cold':>8}{'warm':>8}{'x cold':>8}{'x warm':>8}")
    for name, of in best.items():
        if of is None:
            print(f"{name:<16}{'-':>8}{'-':>8}")
            continue
        ratios = "".join(f"{ours[figure] / of[figure]:>8.1f}" for figure in ("cold", "warm")) if ours and not name.startswith("sluice") else ""
        differs = reference and "digest" in of and of["digest"] != reference["digest"]
        print(f"{name:<16}{of['cold']:>8.1f}{of['warm']:>8.1f}{ratios}{'  other ids' if differs else ''}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", default="gptoss,llama3_2")
    parser.add_argument("--texts", default="english,mix")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    try:
        fetched.peers_python()
        texts = [corpora.corpus(name) for name in options.texts.split(",")]
    except (fetched.Missing, corpora.Missing) as error:
        print(f"SKIP: {error}")
        return 77
    for family in options.families.split(","):
        for text in texts:
            table(family, text, rounds(family, text, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())

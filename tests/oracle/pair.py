"""The same texts through `sluice tokenize` and through the reference, and the shortest text on which they differ."""
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "scenario"))
from sdk import fetched  # noqa: E402

SHARED = ROOT.parent / "shared"
BUILD = pathlib.Path(os.environ.get("SLUICE_BUILD", ROOT / "build")).resolve()
REFERENCE = pathlib.Path(__file__).with_name("reference.py")
# How often a differing text is made shorter at most; each time costs both sides a start.
SHORTER_TRIES = 24


class Refused(Exception):
    """sluice does not load the tokenizer; its words."""


class Unfit(Exception):
    """The reference does not load the tokenizer, or fails over a text of it."""


class Broken(Exception):
    """sluice ended badly or answered less than it was asked: always a finding."""


def lines(texts):
    return "".join(json.dumps({"id": str(number), "text": text}, ensure_ascii=False) + "\n" for number, text in enumerate(texts)).encode()


def run(argv, texts, seconds=600):
    done = subprocess.run([str(part) for part in argv], input=lines(texts), capture_output=True, timeout=seconds, env={**os.environ, "RUST_BACKTRACE": "0"})
    return done.returncode, [json.loads(line) for line in done.stdout.decode().splitlines()], done.stderr.decode(errors="replace").strip()


def ours(folder, texts, special=False):
    """A list of ids for each text; a text that sluice refuses has its error instead."""
    status, answers, errors = run([BUILD / "sluice", "tokenize", "--tokenizer", folder, *(["--special"] if special else [])], texts)
    if len(answers) < len(texts):
        if status in (1, 2) and not answers and len(errors) < 2000:
            raise Refused(errors)
        raise Broken(f"status {status} after {len(answers)} of {len(texts)} texts: {errors[-2000:]}; next text: {json.dumps(texts[len(answers)])[:500]}")
    return [answer.get("ids", answer.get("error")) for answer in answers]


def theirs(folder, texts):
    """(ids, ids with add_special_tokens) for each text."""
    status, answers, errors = run([fetched.tokenizers_python(), REFERENCE, "encode", folder], texts)
    if len(answers) < len(texts):
        raise Unfit(f"ended with {status}: {errors[-300:]}")
    return [(answer["ids"], answer["special"]) for answer in answers]


def entries(folder):
    done = subprocess.run([fetched.tokenizers_python(), REFERENCE, "entries", folder], capture_output=True, text=True)
    if done.returncode != 0:
        raise Unfit(done.stderr.strip()[-300:])
    return json.loads(done.stdout)


def differences(folder, texts):
    """(text, special, expected, got) where the two differ."""
    expected = theirs(folder, texts)
    for special in (False, True):
        for text, pair, got in zip(texts, expected, ours(folder, texts, special)):
            if got != pair[special]:
                yield text, special, pair[special], got


def shortest(folder, text, special):
    """A text that cannot lose a part and still differ; parts are halves, quarters, ... single characters."""
    parts, found = 2, None
    for _ in range(SHORTER_TRIES):
        size = max(1, len(text) // parts)
        shorter = [text[:start] + text[start + size:] for start in range(0, len(text), size)][:2000]
        shorter = [candidate for candidate in shorter if candidate != text]
        hit = next((row for row in differences(folder, shorter) if row[1] == special), None) if shorter else None
        if hit:
            text, found, parts = hit[0], hit, max(2, parts - 1)
        elif size == 1:
            break
        else:
            parts *= 2
    return found


def plain_folder(source, work):
    """A folder with nothing but tokenizer.json, uncompressed: the reference reads no .gz, and tokenizer_config.json is not its business."""
    place = work / source.name
    if not (place / "tokenizer.json").exists():
        place.mkdir(parents=True, exist_ok=True)
        packed = source / "tokenizer.json.gz"
        if packed.exists():
            (place / "tokenizer.json").write_bytes(gzip.decompress(packed.read_bytes()))
        else:
            shutil.copy(source / "tokenizer.json", place)
    return place

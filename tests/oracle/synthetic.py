"""Small tokenizers that use one option of tokenizer.json each; run by the Python of an environment that has `tokenizers`.

    synthetic.py FOLDER TEXT...    one folder with a tokenizer.json for each variant, trained on the TEXT files

Models are trained first: BPE over bytes, over pieces with byte_fallback, over letters (also with affixes), WordPiece, Unigram, WordLevel. A variant changes the JSON of
one of them and must be accepted by the reference itself; what it refuses is not written, and named on standard output.
"""
import copy
import json
import os
import pathlib
import sys

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

VOCABULARY = 700
SPLIT_BEHAVIORS = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
CL100K = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
# Not among the patterns of known models: a regular expression engine must run them.
PATTERNS = {"words": r"\w+|[^\w\s]+", "digits": r"\d{3}(?=\d)", "lazy": r".+?\b", "classes": r"[\p{Lu}&&[^A-C]]\p{Ll}*|\p{Han}|\p{P}+", "line": r"^.*$",
            "possessive": r"\s++|\S+", "posix": r"[[:alpha:]]+|[[:digit:]]+", "back": r"(?<=a)b|(?<!b)a", "hex": r"\x{4e2d}|\h+", "fold": r"(?i:straße|İ|k)"}


def trained(files):
    """{name: tokenizer.json as Python objects} of the trained models."""
    def make(model, trainer, normalizer=None, pre_tokenizer=None, decoder=None):
        tokenizer = Tokenizer(model)
        if normalizer:
            tokenizer.normalizer = normalizer
        if pre_tokenizer:
            tokenizer.pre_tokenizer = pre_tokenizer
        if decoder:
            tokenizer.decoder = decoder
        tokenizer.train(files, trainer)
        return json.loads(tokenizer.to_str())

    quiet = {"vocab_size": VOCABULARY, "show_progress": False}
    space = normalizers.Replace(" ", "\u2581")
    byte_names = [f"<0x{byte:02X}>" for byte in range(256)]
    return {
        "bytes": make(models.BPE(), trainers.BpeTrainer(special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **quiet), None,
                      pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()),
        "pieces": make(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True),
                       trainers.BpeTrainer(special_tokens=["<unk>", "<s>", "</s>"] + byte_names, limit_alphabet=150, **{**quiet, "vocab_size": 1000}),
                       normalizers.Sequence([normalizers.Prepend("\u2581"), space])),
        "prefixed": make(models.BPE(unk_token="<unk>", continuing_subword_prefix="##"),
                         trainers.BpeTrainer(special_tokens=["<unk>"], limit_alphabet=100, continuing_subword_prefix="##", **quiet), None, pre_tokenizers.Whitespace()),
        "suffixed": make(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"),
                         trainers.BpeTrainer(special_tokens=["<unk>"], limit_alphabet=100, end_of_word_suffix="</w>", **quiet), None, pre_tokenizers.Whitespace()),
        "chars": make(models.BPE(unk_token="<unk>"), trainers.BpeTrainer(special_tokens=["<unk>"], limit_alphabet=150, **quiet), None, pre_tokenizers.Whitespace()),
        "wordpiece": make(models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer(special_tokens=["[UNK]", "[CLS]", "[SEP]"], limit_alphabet=150, **quiet),
                          normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()),
        "unigram": make(models.Unigram(), trainers.UnigramTrainer(special_tokens=["<unk>", "<s>"], unk_token="<unk>", **{**quiet, "vocab_size": 3000}), normalizers.NFKC(),
                        pre_tokenizers.Metaspace()),
        "wordlevel": make(models.WordLevel(unk_token="[UNK]"), trainers.WordLevelTrainer(special_tokens=["[UNK]"], **quiet), None, pre_tokenizers.Whitespace()),
    }


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def sequence(kind, *steps):
    return {"type": "Sequence", {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers", "post_processor": "processors"}[kind]: list(steps)}


def normalizer_rows():
    for name in ("NFC", "NFD", "NFKC", "NFKD", "Nmt", "Lowercase", "StripAccents", "ByteLevel"):
        yield name, {"type": name}
    for left in (False, True):
        for right in (False, True):
            yield f"Strip-{left}-{right}", {"type": "Strip", "strip_left": left, "strip_right": right}
    for name, pattern in (("string", {"String": "a"}), ("regex", {"Regex": r"\s+"}), ("several", {"String": "the"}), ("class", {"Regex": r"[\p{L}&&[^a]]{2}"}),
                          ("empty", {"Regex": r"x*"}), ("lines", {"Regex": r"\n"})):
        yield f"Replace-{name}", {"type": "Replace", "pattern": pattern, "content": "<b>"}
    yield "Replace-nothing", {"type": "Replace", "pattern": {"Regex": r"[ab]"}, "content": ""}
    yield "Prepend", {"type": "Prepend", "prepend": "xy"}
    for clean in (False, True):
        for chinese in (False, True):
            for accents in (None, False, True):
                for lower in (False, True):
                    yield f"Bert-{clean}-{chinese}-{accents}-{lower}", {"type": "BertNormalizer", "clean_text": clean, "handle_chinese_chars": chinese,
                                                                       "strip_accents": accents, "lowercase": lower}
    nfd, marks, lower, strip = {"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}, {"type": "Strip", "strip_left": True, "strip_right": True}
    yield "Sequence-NFD-StripAccents-Lowercase", sequence("normalizer", nfd, marks, lower)
    yield "Sequence-Lowercase-NFC-Strip", sequence("normalizer", lower, {"type": "NFC"}, strip)
    yield "Sequence-Sequence", sequence("normalizer", sequence("normalizer", nfd, lower), {"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"})
    yield "Sequence-empty", sequence("normalizer")
    yield "null", None


def pre_tokenizer_rows():
    for prefix in (False, True):
        for regex in (False, True):
            yield f"ByteLevel-{prefix}-{regex}", {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}
    yield "ByteLevel-old", {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False}
    for scheme in ("first", "always", "never"):
        for cut in (False, True):
            yield f"Metaspace-{scheme}-{cut}", {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": scheme, "split": cut}
    yield "Metaspace-old", {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True}
    yield "Metaspace-old-false", {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": False, "prepend_scheme": "never"}
    yield "Metaspace-underscore", {"type": "Metaspace", "replacement": "_", "prepend_scheme": "always", "split": True}
    for name in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit", "UnicodeScripts"):
        yield name, {"type": name}
    yield "CharDelimiterSplit", {"type": "CharDelimiterSplit", "delimiter": "-"}
    for individual in (False, True):
        yield f"Digits-{individual}", {"type": "Digits", "individual_digits": individual}
    for length in (1, 5):
        yield f"FixedLength-{length}", {"type": "FixedLength", "length": length}
    for behavior in SPLIT_BEHAVIORS:
        yield f"Punctuation-{behavior}", {"type": "Punctuation", "behavior": behavior}
        for invert in (False, True):
            yield f"Split-string-{behavior}-{invert}", split({"String": "a"}, behavior, invert)
            yield f"Split-regex-{behavior}-{invert}", split({"Regex": r"\s+|\p{N}"}, behavior, invert)
            yield f"Split-cl100k-{behavior}-{invert}", split({"Regex": CL100K}, behavior, invert)
    yield "Punctuation-old", {"type": "Punctuation"}
    for name, pattern in PATTERNS.items():
        yield f"Split-{name}", split({"Regex": pattern})
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    yield "Sequence-cl100k-Digits-ByteLevel", sequence("pre_tokenizer", split({"Regex": CL100K}), {"type": "Digits", "individual_digits": True}, level)
    yield "Sequence-Whitespace-ByteLevel", sequence("pre_tokenizer", {"type": "WhitespaceSplit"}, {**level, "use_regex": True, "add_prefix_space": True})
    yield "Sequence-WhitespaceSplit-Metaspace", sequence("pre_tokenizer", {"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True})
    yield "Sequence-Metaspace-first", sequence("pre_tokenizer", {"type": "Digits", "individual_digits": False}, {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": True})
    late = {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first", "split": True}
    spaces = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    yield "Sequence-Whitespace-Metaspace-first", sequence("pre_tokenizer", {"type": "WhitespaceSplit"}, late)
    yield "Sequence-Metaspace-Metaspace-first", sequence("pre_tokenizer", spaces, {"type": "Digits", "individual_digits": True}, split({"String": "\u2581"}), late)
    yield "Sequence-removed-Metaspace-Metaspace-first", sequence("pre_tokenizer", split({"String": "a"}, "Removed"), spaces, split({"String": "\u2581"}), late)
    yield "Sequence-removed-ByteLevel-Metaspace-first", sequence("pre_tokenizer", {"type": "WhitespaceSplit"}, {**level, "add_prefix_space": True}, split({"Regex": "."}), late)
    yield "Sequence-UnicodeScripts-ByteLevel", sequence("pre_tokenizer", {"type": "UnicodeScripts"}, level)
    yield "Sequence-empty", sequence("pre_tokenizer")
    yield "null", None


def post_processor_rows(first, second):
    """`first`, `second`: (content, id) of two special tokens."""
    specials = {name: {"id": name, "ids": [number], "tokens": [name]} for name, number in (first, second)}

    def template(*single):
        parts = [{"Sequence": {"id": "A", "type_id": 0}} if part == "A" else {"SpecialToken": {"id": part, "type_id": 0}} for part in single]
        return {"type": "TemplateProcessing", "single": parts, "pair": parts + [{"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": specials}
    yield "Template-none", template("A")
    yield "Template-before", template(first[0], "A")
    yield "Template-around", template(first[0], first[0], "A", second[0])
    several = template(first[0], "A")
    several["special_tokens"][first[0]] = {"id": first[0], "ids": [first[1], second[1]], "tokens": [first[0], second[0]]}
    yield "Template-several-ids", copy.deepcopy(several)
    yield "BertProcessing", {"type": "BertProcessing", "sep": list(second), "cls": list(first)}
    for trim in (False, True):
        for prefix in (False, True):
            yield f"RobertaProcessing-{trim}-{prefix}", {"type": "RobertaProcessing", "sep": list(second), "cls": list(first), "trim_offsets": trim, "add_prefix_space": prefix}
    level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
    yield "ByteLevel", level
    yield "Sequence", sequence("post_processor", level, template(first[0], "A"))
    yield "Sequence-two-templates", sequence("post_processor", template(first[0], "A"), template("A", second[0]))


ADDED_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


def added_rows():
    """Lists of added tokens (without ids): each flag alone, pairs of them, tokens that overlap."""
    def token(content, *flags):
        return {"content": content, **{flag: flag in flags for flag in ADDED_FLAGS}}
    for number in range(32):
        flags = [flag for bit, flag in enumerate(ADDED_FLAGS) if number >> bit & 1]
        yield "-".join(["flags", *flags]), [token("<tok>", *flags), token("the", *flags), token("Ab", *flags)]
    yield "overlap", [token("<a>", "special"), token("<a><b>", "special"), token("<b><c>", "special"), token("a><", "normalized")]
    yield "letters", [token("\u00c9", "normalized"), token("e\u0301", "special"), token("STRASSE", "normalized"), token("\u0130", "normalized"), token("\u4e2d", "special")]
    yield "spaces", [token("  ", "normalized"), token("   "), token("\t", "special"), token("a b", "normalized", "single_word"), token("\u2581\u2581")]
    yield "empty", [token("", "special"), token("x", "special")]
    yield "in-vocabulary", [token("e"), token("t", "single_word"), token("\u2581t", "normalized"), token("\u0120t", "normalized")]


def model_rows(base):
    """(base, name, changes of the model) for what models have of their own."""
    for base_name in ("bytes", "pieces", "chars", "prefixed", "suffixed"):
        model = base[base_name]["model"]
        strings = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
        yield base_name, "merges-string", {"merges": strings}
        yield base_name, "ignore_merges", {"ignore_merges": True}
        yield base_name, "half-the-merges", {"merges": model["merges"][::2], "ignore_merges": False}
        yield base_name, "half-the-merges-ignored", {"merges": model["merges"][::2], "ignore_merges": True}
        yield base_name, "merges-reversed", {"merges": model["merges"][::-1]}
        for fuse in (False, True):
            for fallback in (False, True):
                for unk in ("<unk>", "<s>", None):
                    yield base_name, f"fuse-{fuse}-fallback-{fallback}-unk-{unk}", {"fuse_unk": fuse, "byte_fallback": fallback, "unk_token": unk}
        yield base_name, "suffix-not-trained", {"end_of_word_suffix": "</w>"}
        yield base_name, "affixes-empty", {"continuing_subword_prefix": "", "end_of_word_suffix": ""}
        yield base_name, "dropout-0", {"dropout": 0.0}
        yield base_name, "one-byte-missing", {"vocab": {entry: number for entry, number in model["vocab"].items() if entry not in ("\u0122", "<0xE4>", "q")},
                                              "merges": [merge for merge in model["merges"] if "q" not in "".join(merge) and "\u0122" not in "".join(merge)]}
    for longest in (0, 1, 5, 100):
        yield "wordpiece", f"max-{longest}", {"max_input_chars_per_word": longest}
    yield "wordpiece", "prefix-none", {"continuing_subword_prefix": ""}
    yield "wordpiece", "prefix-other", {"continuing_subword_prefix": "e"}
    yield "wordpiece", "unk-missing", {"unk_token": "[GONE]"}
    yield "wordlevel", "unk-missing", {"unk_token": "[GONE]"}
    vocabulary = base["unigram"]["model"]["vocab"]
    yield "unigram", "no-unk", {"unk_id": None}
    yield "unigram", "unk-other", {"unk_id": 5}
    yield "unigram", "equal-scores", {"vocab": [[piece, -1.0] for piece, _ in vocabulary]}
    yield "unigram", "zero-scores", {"vocab": [[piece, 0.0] for piece, _ in vocabulary]}
    yield "unigram", "whole-scores", {"vocab": [[piece, float(round(score))] for piece, score in vocabulary]}
    yield "unigram", "byte_fallback", {"byte_fallback": True, "vocab": vocabulary + [[f"<0x{byte:02X}>", -9.0] for byte in range(256)]}
    yield "unigram", "byte_fallback-without-bytes", {"byte_fallback": True}


def variants(base):
    """(name, tokenizer.json as Python objects)."""
    def changed(base_name, **members):
        return {**copy.deepcopy(base[base_name]), **members}
    for name, tokenizer in base.items():
        yield f"{name}-trained", tokenizer
    for name, row in normalizer_rows():
        for base_name in ("bytes", "chars"):
            yield f"{base_name}-normalizer-{name}", changed(base_name, normalizer=row)
    for name, row in pre_tokenizer_rows():
        for base_name in ("bytes", "chars", "pieces", "unigram", "wordpiece"):
            if base_name == "bytes" and "ByteLevel" not in json.dumps(row):
                row = sequence("pre_tokenizer", *([row] if row else []), {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False})
            if base_name in ("bytes", "chars") or name.startswith("Metaspace") or name == "null":
                yield f"{base_name}-pre-{name}", changed(base_name, pre_tokenizer=row)
    for name, row in normalizer_rows():
        yield f"chars-late-{name}", changed("chars", normalizer=row, pre_tokenizer=dict(pre_tokenizer_rows())["Sequence-Whitespace-Metaspace-first"])
    for name, row in post_processor_rows(("<s>", 0), ("</s>", 1)):
        yield f"bytes-post-{name}", changed("bytes", post_processor=row)
    for base_name, name, changes in model_rows(base):
        yield f"{base_name}-model-{name}", changed(base_name, model={**copy.deepcopy(base[base_name]["model"]), **changes})
    for name, tokens in added_rows():
        for base_name, normalizer in (("bytes", None), ("pieces", base["pieces"]["normalizer"]), ("wordpiece", base["wordpiece"]["normalizer"]), ("chars", {"type": "Lowercase"})):
            tokenizer = changed(base_name, normalizer=normalizer)
            vocabulary = tokenizer["model"]["vocab"]
            tokenizer["added_tokens"] += [{"id": vocabulary.get(token["content"], 5000 + number), **token} for number, token in enumerate(tokens)]
            yield f"{base_name}-added-{name}", tokenizer


def refusal(text):
    """Why the reference does not take a tokenizer.json, or None. Asked in a child: some of its refusals are aborts."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            Tokenizer.from_str(text).encode("a B\u00e9", add_special_tokens=True)
        except BaseException as error:  # a panic of the reference is no Exception
            os.write(writer, str(error).encode()[:200])
            os._exit(1)
        os._exit(0)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reader, errors="replace") as pipe:
        words = pipe.read()
    return None if status == 0 else words or "it aborts"


def main(folder, files):
    written = 0
    for name, tokenizer in variants(trained(files)):
        text = json.dumps(tokenizer, ensure_ascii=False)
        why = refusal(text)
        if why:
            print(f"the reference refuses {name}: {why}")
            continue
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        (place / "tokenizer.json").write_text(text, encoding="utf-8")
        written += 1
    print(f"{written} tokenizers")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), sys.argv[2:])

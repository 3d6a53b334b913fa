#!/usr/bin/env python3
"""Makes the Unicode tables of this folder from what was probed of the reference (../shared/unicode).

    unicode_tables.py [FOLDER]      writes them to FOLDER; left out: this folder

The reference mixes versions of Unicode, so nothing here may come from this system's Unicode unless
the probed lists say where the two differ.
"""
import functools
import gzip
import json
import pathlib
import re
import subprocess
import sys
import unicodedata

FOLDER = pathlib.Path(__file__).resolve().parent
SHARED = FOLDER.parents[2] / "shared" / "unicode"
LIMIT = 0x110000
BLOCK = 128


def probed(name):
    with gzip.open(SHARED / name, "rt", encoding="utf-8") as file:
        return json.load(file)


if not SHARED.exists():
    print(f"SKIP: {SHARED} is not here, from which the tables of Unicode are made")
    sys.exit(77)
CLASSES = probed("classes.json.gz")["classes"]
NORMALIZERS = probed("normalizers.json.gz")
BERT = {int(code, 16): [int(c, 16) for c in to.split()] if to != " " else [0x20]
        for code, to in NORMALIZERS["normalizers"]["Bert"]["map"].items()}


def members(name):
    return {code for first, last in CLASSES[name]["ranges"] for code in range(first, last + 1)}


def dropped_by_bert():
    return {code for code, to in BERT.items() if not to}


# Classes that are no class of classes.json.gz. ------------------------------------------------------

def bert_accent():
    """What BertNormalizer's strip_accents drops: nonspacing marks, as an older Unicode has them."""
    return dropped_by_bert() & members("\\p{M}")


def bert_control():
    """What BertNormalizer's clean_text drops."""
    return dropped_by_bert() - bert_accent()


@functools.cache
def in_unicode_9():
    """Code points that Unicode 9.0, the version of the reference's normalizer, has. An age never changes."""
    print_them = r'for (0 .. 0xd7ff, 0xe000 .. 0x10ffff) { print "$_\n" if chr =~ /\p{Present_In: 9.0}/ }'
    return {int(line) for line in subprocess.check_output(["perl", "-e", print_them], text=True).split()}


def mark():
    """What StripAccents drops."""
    known = members("\\p{M}") & in_unicode_9()
    unknown = {int(code, 16) for code in NORMALIZERS["nfc"]["ccc_unknown_to_reference"]}
    assert not known & unknown, "the normalizer's tables are not Unicode 9.0's"
    return (known - {0x111c9}) | {0x1cf2, 0x1cf3}  # their category has changed since; probed


def rust_word():
    """\\w of Rust's regex crate: alphabetic, marks, digits, connectors, joiners. Not Oniguruma's."""
    letters_of_other = set(range(0x24b6, 0x24ea)) | set(range(0x1f130, 0x1f14a)) | set(range(0x1f150, 0x1f16a)) \
        | set(range(0x1f170, 0x1f18a))  # Other_Alphabetic that is neither letter nor mark (PropList.txt, 16.0)
    return set.union(*map(members, ("\\p{L}", "\\p{M}", "\\p{Nd}", "\\p{Nl}", "\\p{Pc}"))) | letters_of_other | {0x200c, 0x200d}


# Code points that join what stands before them in a cluster (Grapheme_Cluster_Break Extend, SpacingMark or ZWJ, as
# Unicode 17.0 has them) though they are no marks in 16.0, and marks that do not. Probed of the Precompiled normalizer.
JOIN_AS_WELL = ((0xe33, 0xe33), (0xeb3, 0xeb3), (0x1acf, 0x1add), (0x1ae0, 0x1aeb), (0x200c, 0x200d), (0xff9e, 0xff9f),
                (0x10efa, 0x10efb), (0x11b60, 0x11b67), (0x1e6e3, 0x1e6e3), (0x1e6e6, 0x1e6e6), (0x1e6ee, 0x1e6ef),
                (0x1e6f5, 0x1e6f5), (0x1f3fb, 0x1f3ff), (0xe0020, 0xe007f))
JOIN_NOT = ((0x102b, 0x102c), (0x1038, 0x1038), (0x1062, 0x1064), (0x1067, 0x106d), (0x1083, 0x1083), (0x1087, 0x108c),
            (0x108f, 0x108f), (0x109a, 0x109c), (0x1a61, 0x1a61), (0x1a63, 0x1a64), (0xaa7b, 0xaa7b), (0xaa7d, 0xaa7d),
            (0x11720, 0x11721))
# Grapheme_Cluster_Break Prepend (GraphemeBreakProperty.txt, 17.0): join what stands behind them.
PREPEND = ((0x600, 0x605), (0x6dd, 0x6dd), (0x70f, 0x70f), (0x890, 0x891), (0x8e2, 0x8e2), (0xd4e, 0xd4e), (0x110bd, 0x110bd),
           (0x110cd, 0x110cd), (0x111c2, 0x111c3), (0x113d1, 0x113d1), (0x1193f, 0x1193f), (0x11941, 0x11941),
           (0x11a84, 0x11a89), (0x11d46, 0x11d46), (0x11f02, 0x11f02))


def spread(pairs):
    return {code for first, last in pairs for code in range(first, last + 1)}


def joins():
    """What belongs to the cluster before it."""
    return members("\\p{M}") - spread(JOIN_NOT) | spread(JOIN_AS_WELL)


def prepends():
    """What belongs to the cluster behind it."""
    return spread(PREPEND)


def parts():
    """What is never joined (Grapheme_Cluster_Break Control)."""
    controls = set.union(*map(members, ("\\p{Cc}", "\\p{Cf}", "\\p{Zl}", "\\p{Zp}")))
    ignorable = {0x2065} | set(range(0xfff0, 0xfff9)) | set(range(0xe0000, 0xe1000))
    return (controls | ignorable) - joins() - prepends()


# Normalization: Unicode 9.0, see in_unicode_9. --------------------------------------------------------

HANGUL = range(0xac00, 0xd7a4)  # decomposed and composed by rule, not by table


def normal_form(form, text):
    return [ord(c) for c in unicodedata.normalize(form, text)]


@functools.cache
def decompositions(form):
    """Full decompositions (NFD or NFKD) of code points that change, Hangul syllables left out."""
    known = in_unicode_9()
    found = {code: normal_form(form, chr(code)) for code in range(LIMIT) if code in known and code not in HANGUL}
    return {code: to for code, to in found.items() if to != [code]}


@functools.cache
def compositions():
    """(first, second) to what they compose to."""
    found = {}
    for code in decompositions("NFD"):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and normal_form("NFC", chr(code)) == [code]:
            found[tuple(int(part, 16) for part in parts)] = code
    return found


@functools.cache
def orders():
    """Canonical combining classes that are not 0."""
    return {code: unicodedata.combining(chr(code)) for code in in_unicode_9() if unicodedata.combining(chr(code))}


@functools.cache
def lowercase():
    """Rust's char::to_lowercase, Unicode 17.0: Bert's map says it for letters that are newer than this system's."""
    known = {code: [ord(c) for c in chr(code).lower()] for code in range(LIMIT) if unicodedata.category(chr(code)) != "Cn"}
    found = {code: to for code, to in known.items() if to != [code]}
    for code, to in BERT.items():
        if code not in known and len(to) == 1:
            found[code] = to
    return found


def ordered():
    """What canonical ordering may move."""
    return set(orders())


def decomposes():
    """What NFD changes."""
    return set(decompositions("NFD")) | set(HANGUL)


def compatible():
    """What NFKD changes and NFD does not, or not in this way."""
    canonical = decompositions("NFD")
    return {code for code, to in decompositions("NFKD").items() if canonical.get(code) != to}


def composes():
    """What NFC may change, alone or behind something else."""
    jamo = set(range(0x1161, 0x1176)) | set(range(0x11a8, 0x11c3))
    alone = {code for code in decompositions("NFD") if normal_form("NFC", chr(code)) != [code]}
    return jamo | alone | {second for _, second in compositions()}


def lowers():
    """What Lowercase changes."""
    return set(lowercase())


def check_probed():
    """The tables must say of each code point what was probed of the reference."""
    forms = NORMALIZERS["normalizers"]
    changed = {form: len(decompositions(form)) + len(HANGUL) for form in ("NFD", "NFKD")}
    assert changed["NFD"] == forms["NFD"]["changed"], changed
    alone = {code: normal_form("NFC", chr(code)) for code in decompositions("NFD")}
    alone = {code: to for code, to in alone.items() if to != [code]}
    assert alone == {int(code, 16): [int(c, 16) for c in to.split()] for code, to in forms["NFC"]["map"].items()}
    assert sum(normal_form("NFKC", chr(code)) != [code] for code in decompositions("NFKD")) == forms["NFKC"]["changed"]
    assert len(lowercase()) == forms["Lowercase"]["changed"], len(lowercase())
    missing = {int(code, 16) for code in NORMALIZERS["nfc"]["composes_in_icu_only"]}
    assert not missing & set(compositions().values())
    assert len(compositions()) + len(HANGUL) == NORMALIZERS["nfc"]["composes_same"]


DERIVED = {function.__name__: function for function in (
    bert_accent, bert_control, mark, rust_word, joins, prepends, parts,
    lowers, ordered, decomposes, compatible, composes)}


# Writing. -------------------------------------------------------------------------------------------

def array(element, name, size, numbers):
    """A C array of unsigned numbers, as many a line as fit."""
    lines, line = [], "   "
    for number in numbers:
        word = f" {number}," if element != "uint64_t" else f" 0x{number:x}u,"
        if len(line) + len(word) > 100:
            lines.append(line)
            line = "   "
        line += word
    return f"UNICODE_TABLE {element} {name}[{size}] = {{\n" + "\n".join(lines + [line]) + "\n};\n"


def two_stages(values):
    """Blocks of equal values stored once: the number of each block, and the blocks."""
    blocks, numbers, order = {}, [], []
    for start in range(0, len(values), BLOCK):
        block = tuple(values[start:start + BLOCK])
        if block not in blocks:
            blocks[block] = len(order)
            order.append(block)
        numbers.append(blocks[block])
    return numbers, [value for block in order for value in block]


def rows():
    text = (FOLDER / "unicode.def").read_text(encoding="utf-8")
    return [source.replace("\\\\", "\\") for source in re.findall(r'^UNICODE_CLASS\(\w+, "(.*)"\)$', text, re.MULTILINE)]


def classes():
    masks = [0] * LIMIT
    for bit, source in enumerate(rows()):
        for code in DERIVED[source]() if source in DERIVED else members(source):
            masks[code] |= 1 << bit
    kinds = sorted(set(masks))
    number = {mask: kind for kind, mask in enumerate(kinds)}
    blocks, codes = two_stages([number[mask] for mask in masks])
    return ("/* Made by unicode_tables.py; see unicode.h. */\n"
            + array("uint16_t", "unicode_block", "UNICODE_LIMIT / UNICODE_BLOCK", blocks)
            + array("uint8_t", "unicode_kind_of", len(codes), codes)
            + array("uint64_t", "unicode_kind_mask", len(kinds), kinds)
            + f"UNICODE_TABLE size_t unicode_kinds = {len(kinds)};\n")


def ranges(values):
    """(first, last, value) of runs of code points with the same value."""
    found = []
    for code in sorted(values):
        if found and found[-1][1] == code - 1 and found[-1][2] == values[code]:
            found[-1][1] = code
        else:
            found.append([code, code, values[code]])
    return found


def pooled(maps):
    """Sequences of code points behind each other, each begun by its length; where each map's lie."""
    pool, where, places = [], {}, []
    for sequences in maps:
        places.append([])
        for code in sorted(sequences):
            sequence = tuple(sequences[code])
            if sequence not in where:
                where[sequence] = len(pool)
                pool += [len(sequence), *sequence]
            places[-1].append(where[sequence])
    return pool, places


def normal():
    canonical, both = decompositions("NFD"), decompositions("NFKD")
    compatibility = {code: to for code, to in both.items() if canonical.get(code) != to}
    pool, (canonical_at, compatible_at) = pooled([canonical, compatibility])
    runs, pairs, lower = ranges(orders()), sorted(compositions()), lowercase()
    assert [code for code, to in lower.items() if len(to) > 1] == [0x130]
    lists = [
        ("uint32_t", "unicode_canonical", sorted(canonical)), ("uint16_t", "unicode_canonical_at", canonical_at),
        ("uint32_t", "unicode_compatible", sorted(compatibility)), ("uint16_t", "unicode_compatible_at", compatible_at),
        ("uint32_t", "unicode_pool", pool),
        ("uint32_t", "unicode_order_first", [run[0] for run in runs]), ("uint32_t", "unicode_order_last", [run[1] for run in runs]),
        ("uint8_t", "unicode_order_class", [run[2] for run in runs]),
        ("uint64_t", "unicode_pair", [first << 32 | second for first, second in pairs]),
        ("uint32_t", "unicode_pair_to", [compositions()[pair] for pair in pairs]),
        ("uint32_t", "unicode_lower", sorted(lower)), ("uint32_t", "unicode_lower_to", [lower[code][0] for code in sorted(lower)]),
    ]
    return ("/* Made by unicode_tables.py; see normal.c. */\n"
            + "".join(array(element, name, len(numbers), numbers) for element, name, numbers in lists))


FILES = {"unicode_classes.inc": classes, "unicode_normal.inc": normal}


def main():
    check_probed()
    to = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for name, make in FILES.items():
        (to / name).write_text(make(), encoding="utf-8")


main()

#!/usr/bin/env python3
"""Makes the Unicode tables of this folder from what was probed of the reference (../shared/unicode).

    unicode_tables.py [FOLDER]      writes them to FOLDER; left out: this folder

The reference mixes versions of Unicode, so nothing here may come from this system's Unicode unless
the probed lists say where the two differ.
"""
import gzip
import json
import pathlib
import re
import subprocess
import sys

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


def in_unicode_9():
    """Code points that Unicode 9.0, the version of the reference's normalizer, has. An age never changes."""
    print_them = r'for (0 .. 0xd7ff, 0xe000 .. 0x10ffff) { print "$_\n" if chr =~ /\p{Present_In: 9.0}/ }'
    return {int(line) for line in subprocess.check_output(["perl", "-e", print_them], text=True).split()}


def mark():
    """What StripAccents drops."""
    known = members("\\p{M}") & in_unicode_9()
    unknown = {int(code, 16) for code in NORMALIZERS["nfc"]["ccc_unknown_to_reference"]}
    assert not known & unknown, "the normalizer's tables are not Unicode 9.0's"
    return known


DERIVED = {"bert_accent": bert_accent, "bert_control": bert_control, "mark": mark}


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


FILES = {"unicode_classes.inc": classes}


def main():
    to = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for name, make in FILES.items():
        (to / name).write_text(make(), encoding="utf-8")


main()

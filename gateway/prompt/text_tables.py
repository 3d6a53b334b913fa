#!/usr/bin/python3
"""Writes text_tables.inc: what Python's str methods take characters for, from the Python that runs this.

    python3 gateway/prompt/text_tables.py > gateway/prompt/text_tables.inc

Ranges where a property holds; runs of characters whose other case lies at one distance; and characters whose other
case is several characters.
"""
import sys
import unicodedata

POINTS = [cp for cp in range(0x110000) if not 0xD800 <= cp <= 0xDFFF]
# Python's own words for each property.
PROPERTIES = {
    "alpha": str.isalpha, "decimal": str.isdecimal, "digit": str.isdigit, "numeric": str.isnumeric,
    "upper": str.isupper, "lower": str.islower, "title": lambda c: unicodedata.category(c) == "Lt", "printable": str.isprintable,
    "ignorable": lambda c: ignorable(c),
}


def ignorable(c):
    """Case_Ignorable, by what it does: a sigma is final when only such characters part it from a letter before."""
    return ("a" + c + "\u03a3").lower()[-1] == "\u03c2" and ("." + c + "\u03a3").lower()[-1] != "\u03c2"


def ranges(holds):
    found = []
    for cp in POINTS:
        if not holds(chr(cp)):
            continue
        if found and (found[-1][1] == cp - 1 or (found[-1][1] == 0xD7FF and cp == 0xE000)):
            found[-1][1] = cp
        else:
            found.append([cp, cp])
    return found


def runs(change):
    """(first, last, step, distance): every step-th character from first to last moves by distance."""
    found, many = [], []
    for cp in POINTS:
        to = change(chr(cp))
        if to == chr(cp):
            continue
        if len(to) > 1:
            many.append((cp, to))
            continue
        distance = ord(to) - cp
        if found:
            first, last, step, same = found[-1]
            if same == distance and cp - last in ((1, 2) if first == last else (step,)):
                found[-1] = (first, cp, cp - last, same)
                continue
        found.append((cp, cp, 1, distance))
    return found, many


def rows(items, per_line):
    items = list(items)
    for at in range(0, len(items), per_line):
        print("    " + " ".join(items[at:at + per_line]))


print(f"""/*
 * Made by text_tables.py from Python {sys.version_info[0]}.{sys.version_info[1]}, Unicode {unicodedata.unidata_version}. Not edited.
 */
""")
for name, holds in PROPERTIES.items():
    print(f"static const struct text_range {name}_ranges[] = {{")
    rows((f"{{ {first:#x}, {last:#x} }}," for first, last in ranges(holds)), 5)
    print("};")
for name, change in (("upper", str.upper), ("lower", str.lower), ("title", str.title), ("fold", str.casefold)):
    found, many = runs(change)
    print(f"static const struct text_run {name}_runs[] = {{")
    rows((f"{{ {first:#x}, {last:#x}, {step}, {distance} }}," for first, last, step, distance in found), 4)
    print("};")
    print(f"static const struct text_many {name}_many[] = {{")
    rows((f"{{ {cp:#x}, {{ {', '.join(f'{ord(c):#x}' for c in to)} }} }}," for cp, to in many), 4)
    print("};")

"""Texts for the differential tests: each kind is a function of a random generator, so a seed names a set of them."""

# Kinds of code points, each chosen as often as any other: (first, last) ranges.
RANGES = {
    "ascii": [(0x20, 0x7E)],
    "control": [(0x00, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFF)],
    "space": [(0x09, 0x0D), (0x20, 0x20), (0x85, 0x85), (0xA0, 0xA0), (0x1680, 0x1680), (0x180E, 0x180E), (0x2000, 0x200A), (0x3000, 0x3000)],
    "latin": [(0xA1, 0x24F), (0x1E00, 0x1EFF), (0x2C60, 0x2C7F), (0xA720, 0xA7FF), (0xFB00, 0xFB06), (0xFF01, 0xFF5E)],
    "mark": [(0x300, 0x36F), (0x483, 0x489), (0x591, 0x5C7), (0x64B, 0x65F), (0x93C, 0x94D), (0xE31, 0xE4E), (0x1AB0, 0x1ACE), (0x20D0, 0x20F0),
             (0x3099, 0x309A), (0x302A, 0x302F), (0xFE00, 0xFE0F), (0xFE20, 0xFE2F), (0x1D165, 0x1D172), (0xE0100, 0xE01EF)],
    "script": [(0x370, 0x52F), (0x531, 0x58F), (0x5D0, 0x6FF), (0x900, 0xDFF), (0xE01, 0xFFF), (0x10A0, 0x10FF), (0x13A0, 0x13FF), (0x1780, 0x17FF),
               (0x1C80, 0x1CBF), (0x1F00, 0x1FFF), (0x10400, 0x1044F)],
    "east": [(0x1100, 0x11FF), (0x3001, 0x30FF), (0x3130, 0x318E), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xF900, 0xFAFF),
             (0x20000, 0x2A6DF), (0x2F800, 0x2FA1D)],
    "number": [(0x30, 0x39), (0xB2, 0xB3), (0xB9, 0xB9), (0xBC, 0xBE), (0x660, 0x669), (0x966, 0x96F), (0x2070, 0x2079), (0x2150, 0x2189),
               (0x2460, 0x249B), (0x3007, 0x3007), (0x3021, 0x3029), (0xFF10, 0xFF19), (0x1D7CE, 0x1D7FF)],
    "symbol": [(0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E), (0xA1, 0xBF), (0x2010, 0x2027), (0x2030, 0x205E), (0x20A0, 0x20C0),
               (0x2190, 0x23FF), (0x2500, 0x27BF), (0x3008, 0x3030), (0x1F300, 0x1FAFF), (0x1F1E6, 0x1F1FF)],
    "any": [(0x0, 0xD7FF), (0xE000, 0x10FFFF)],
    "edge": [(0xD7FF, 0xD7FF), (0xE000, 0xE000), (0xFFFD, 0x10001), (0x10FFFE, 0x10FFFF), (0x7F, 0x80), (0x7FF, 0x800), (0x378, 0x379), (0x1FFFE, 0x20000)],
}
KINDS = list(RANGES)

# Pieces at which patterns and merges come to other decisions when they are a little wrong.
ATOMS = ["a", "b", "the", "I", "A", "Ab", "\u01c5", "\u02b0", "\u00aa", "\u00df", "\u0130", "\u017f", "\u03c3", "\u03a3", "\u00e9", "e\u0301", "\u0301", "\u0308", "\u0345",
         "'", "'s", "'S", "'\u017f", "'ll", "'LL", "'Re", "\u2019s", "1", "12", "1234", "\u0661", "\u00b2", "\u216b", "\u0967", " ", "  ", "\t", "\n", "\r\n", "\r", "\n\n", "\u00a0", "\u3000",
         "\u2028", "\u0085", "\u200b", "\ufeff", "\u180e", "\x0b", "\x1c", "\x00", ".", ",", "!?", "/", "//", "-", "_", "$", "(", "<|", "|>", "\u3002", "\u4e2d", "\u65e5\u672c",
         "\u3042", "\u30ab\u3099", "\u30a2", "\ud55c", "\u1112\u1161\u11ab", "\u0e01\u0e33", "\U0001f600", "\U0001f468\u200d\U0001f469", "\U0001f1e6\U0001f1f9",
         "\U00010400", "\U0001d7d9", "\u2581", "\u2581\u2581", "\u0120", "\ufffd", "\ufb01", "\u0378", "\U000e0100", "\ue000", "\U0010ffff"]

RUNS = ["a", "A", "1", " ", "\n", "\t", "\r\n", "=", "ab", "aB", "\u00e9", "e\u0301", "\u0301", "\u4e2d", "\u3042", "\U0001f600", " a", "a ", "\n ", "'s", "\u2581", "\x00", "a\u0301\u0323",
        "\u1112\u1161\u11ab", "1a", ".", "<", "\u00a0"]


def character(rng, kind):
    first, last = rng.choice(RANGES[kind])
    return chr(rng.randint(first, last))


def unicode(rng, count):
    """Short texts of a few kinds of code points each: all planes, unassigned, controls, NUL."""
    for _ in range(count):
        kinds = rng.choices(KINDS, k=rng.randint(1, 4))
        yield "".join(character(rng, rng.choice(kinds)) for _ in range(rng.randint(1, 30)))


def adversarial(rng, count):
    for _ in range(count):
        yield "".join(rng.choice(ATOMS) for _ in range(rng.randint(1, 16)))


def tokens(rng, entries, alone, joined):
    """Texts of vocabulary entries: `alone` of them alone and doubled, and `joined` rows of two to four."""
    texts = entries["texts"]
    for text in texts if alone >= len(texts) else rng.sample(texts, alone):
        yield text
        yield text + text
    for _ in range(joined if texts else 0):
        yield "".join(rng.choice(texts) for _ in range(rng.randint(2, 4)))


def special(rng, entries, count):
    """Added tokens glued to everything, to each other, cut short, in other letters."""
    added = entries["added"]
    for token in added:
        for text in (token, f" {token}", f"{token} ", f"a{token}a", f"\n{token}\n", token + token, token[:-1], token[1:], token.upper(), token.lower(), f"x {token}  y",
                     f"\u00a0{token}\u3000", f"_{token}_", f"1{token}.", f"\u00e9{token}\u0301"):
            yield text
    for _ in range(count if added else 0):
        yield "".join(rng.choice(added if rng.random() < 0.4 else ATOMS) for _ in range(rng.randint(2, 8)))


def runs(rng, lengths):
    """Long runs, for which shortcuts are left and quadratic ways show."""
    for length in lengths:
        for run in RUNS:
            text = (run * (length // len(run) + 1))[:length]
            yield text
            yield rng.choice(ATOMS) + text + rng.choice(ATOMS)


def slices(rng, text, count, longest):
    """Slices of a text at any place, most of them short."""
    for _ in range(count):
        length = min(int(longest ** rng.random()) + 1, len(text))
        start = rng.randint(0, len(text) - length)
        yield text[start:start + length]

"""Random small templates for the differential test: made from a grammar, seeded, so that a number names a case."""
import random

CONTEXT = {
    "s": "Hello World", "t": "ünï ǆ ß Σας 🙂 ", "e": "", "q": "it's \"q\" \\ \n\t<&>", "lines": "a\n  b\n\nc\r\nd", "num": " 42 ", "real": "3.75",
    "i": 42, "z": 0, "neg": -7, "f": 3.5, "g": -0.25, "big": 12345678901234567890123, "huge": 1e22, "small": 1e-7, "n": None, "yes": True, "no": False,
    "l": [3, 1, 2], "ls": ["b", "A", "c", "a"], "mixed": [1, "x", None, 2.5, [1, 2]], "el": [], "d": {"b": 1, "a": 2, "C": [1, {"x": None}]}, "ed": {},
    "m": [{"role": "user", "content": "hi", "n": 3}, {"role": "assistant", "content": "yo", "n": 1}, {"role": "user", "content": None}],
}

TEXTS = ["s", "t", "e", "q", "lines", "num", "real"]
NUMBERS = ["i", "z", "neg", "f", "g", "big", "yes", "small", "huge"]
LISTS = ["l", "ls", "mixed", "el", "m"]
OTHERS = ["n", "no", "d", "ed", "nope", "d.nope", "m[0].role", "d.C", "m[-1]", "l[9]", "ls[1]"]
LITERALS = ["'x'", "'o'", "'l'", "' '", "''", "1", "0", "-1", "2", "3", "10", "2.5", "-0.5", "1e3", "true", "false", "none", "[]", "[1, 2]", "['a', 'B']", "('a', 1)",
            "{'k': 1, 'j': 'v'}", "'a-b c'", "'Straße'", "'<b>&amp;</b>'", "'%s'", "'{}'", "100000000000000000000", "0x1f", "'\\n'", "'é'"]
BINARY = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]
FILTERS = ["abs", "capitalize", "center(15)", "count", "default('D')", "d('x', true)", "dictsort", "dictsort(by='value')", "dictsort(reverse=true)", "e", "first", "float",
           "float(1.5)", "forceescape", "groupby('role')|map('first')|list", "indent", "indent(2, true)", "indent(3, blank=true)", "int", "int(7)", "int(0, 16)",
           "items|list", "join", "join(', ')", "join('-', attribute='role')", "last", "length", "list", "lower", "map('upper')|list", "map(attribute='role')|list",
           "map(attribute='n', default='-')|list", "map('string')|join", "max", "min", "max(attribute='n')", "reject('odd')|list", "rejectattr('content')|list",
           "replace('o', '0')", "replace('l', 'L', 1)", "replace('', '-')", "reverse|list", "round", "round(1)", "round(1, 'floor')", "round(method='ceil')", "safe",
           "select('string')|list", "select|list", "selectattr('n')|list", "selectattr('role', 'equalto', 'user')|map(attribute='content')|list", "slice(2)|list",
           "slice(3, 'f')|list", "batch(2)|list", "batch(3, 0)|list", "sort", "sort(reverse=true)", "sort(case_sensitive=true)", "sort(attribute='role')",
           "string", "striptags", "sum", "sum(start=1)", "title", "tojson", "tojson(indent=2)", "tojson(ensure_ascii=true)", "tojson(separators=(',', ':'))",
           "tojson(sort_keys=true)", "trim", "trim('Hd')", "truncate(8)", "truncate(8, true)", "truncate(5, end='')", "unique|list", "unique(case_sensitive=true)|list",
           "upper", "urlencode", "wordcount", "filesizeformat", "filesizeformat(true)", "format(1)", "attr('x')", "xmlattr", "reverse", "list|first", "string|length"]
TESTS = ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping", "sequence", "iterable", "odd", "even", "divisibleby 3", "lower", "upper",
         "true", "false", "callable", "eq 1", "ne 'x'", "lt 3", "gt 2.5", "ge 0", "le 1", "in [1, 'x', 3]", "equalto('a')", "sameas none", "escaped", "filter", "test"]
METHODS = ["upper()", "lower()", "title()", "capitalize()", "swapcase()", "casefold()", "strip()", "lstrip()", "rstrip()", "strip('Hd')", "lstrip('He')", "rstrip('\\n ')",
           "split()", "split(' ')", "split('l')", "split('l', 1)", "split(None, 1)", "split(maxsplit=1)", "rsplit('o', 1)", "rsplit(None, 1)", "rsplit()", "splitlines()",
           "splitlines(true)", "replace('l', 'LL')", "replace('', '.')", "replace('o', '', 1)", "find('o')", "find('o', 5)", "find('zz')", "rfind('o')", "index('l')",
           "rindex('l')", "count('l')", "count('')", "count('l', 3)", "startswith('He')", "startswith(('x', 'He'))", "startswith('l', 2)", "endswith('ld')", "endswith('o', 0, 5)",
           "isalpha()", "isdigit()", "isalnum()", "isspace()", "isupper()", "islower()", "istitle()", "isdecimal()", "isnumeric()", "isascii()", "isprintable()",
           "join(ls)", "join(['a', 'b'])", "partition('o')", "rpartition('o')", "partition('zz')", "removeprefix('He')", "removesuffix('ld')", "zfill(15)", "center(15)",
           "center(16, '*')", "ljust(15, '.')", "rjust(15)", "expandtabs(4)", "format(1, 2)", "encode('utf-8')|length", "get('a')", "get('zz', 7)", "keys()|list", "values()|list",
           "items()|list", "items()|length", "copy()", "index(1)", "count(1)", "append(1)", "update({})", "bit_length()", "is_integer()", "nope()"]
SLICES = ["[0]", "[-1]", "[1:]", "[:-1]", "[::-1]", "[1:3]", "[::2]", "[-3:]", "[5:1:-2]", "[:0]", "[100:]", "['a']", "['role']", ".a", ".role", "[0].role", "[true]", "[1.0]"]
FORMATS = ["'%s|%r' % (A, B)", "'%d' % A", "'%5d|%-5d|%05d' % (A, A, A)", "'%.2f' % A", "'%8.3f|%-8.1f|%+.0f' % (A, A, A)", "'%e' % A", "'%g' % A", "'%x' % A", "'%10s|' % A",
           "'%-6s|' % A", "'%.3s' % A", "'%(a)s' % d", "'%%%s' % A", "'%c' % A", "'{}'.format(A)", "'{0} {1} {0}'.format(A, B)", "'{:>8}|{:<8}|{:^8}'.format(A, A, A)",
           "'{:.2f}'.format(A)", "'{:,}'.format(A)", "'{:05d}'.format(A)", "'{:x}'.format(A)", "'{a!r}'.format(a=A)", "'{0[0]}'.format(A)", "'{:*^9}'.format(A)", "'{:e}'.format(A)",
           "'{:%}'.format(A)", "'{:+}'.format(A)", "'{:_}'.format(A)", "'{:10.3}'.format(A)", "'{{}} {}'.format(A)", "'{:{}}'.format(A, 8)", "'{:#x}'.format(A)", "'{:g}'.format(A)"]
LAYOUTS = ["  {% if yes %}\n  a\n  {% endif %}\nb\n", "{%- if no -%} x {%- else -%}\n y {% endif %} z", "a\n  {#- c -#}\n b", "\n\n{% set v = 1 %}\n\n{{ v }}\n", "x{% raw %}\n{{ y }}{% endraw %}\n z",
           "  {%+ if yes %}q{% endif %}\n", "{% if yes +%}\nr{% endif %}", "\t{% for x in l %}\n\t{{ x }}\n\t{% endfor %}\n", "a {{- s -}} b", "{# one\ntwo #}\n  c", "{% raw -%}  k  {%- endraw %}\n",
           "{{ s }}\n", "{{ s }}\n\n", "l\r\n{% if yes %}\r\nm\r\n{% endif %}\r\n", "{%- set w -%}  v  {%- endset -%}[{{ w }}]"]


def atom(r):
    return r.choice(r.choice([TEXTS, NUMBERS, LISTS, OTHERS, LITERALS]))


def expression(r, depth=0):
    kind = r.randrange(13 if depth < 3 else 3)
    if kind < 3:
        return atom(r)
    inner = expression(r, depth + 1)
    if kind == 3:
        return f"({inner} {r.choice(BINARY)} {expression(r, depth + 1)})"
    if kind in (4, 5):
        return f"({inner})|{r.choice(FILTERS)}" if r.random() < .3 else f"{atom(r)}|{r.choice(FILTERS)}"
    if kind == 6:
        return f"({inner} is {'not ' if r.random() < .2 else ''}{r.choice(TESTS)})"
    if kind in (7, 8):
        return f"({inner}).{r.choice(METHODS)}" if r.random() < .3 else f"{r.choice(TEXTS + LISTS[:1] + ['d'])}.{r.choice(METHODS)}"
    if kind == 9:
        return f"({inner}){r.choice(SLICES)}"
    if kind == 10:
        return f"({inner} if {expression(r, depth + 1)}{' else ' + expression(r, depth + 1) if r.random() < .7 else ''})"
    if kind == 11:
        return "(" + r.choice(FORMATS).replace("A", atom(r)).replace("B", atom(r)) + ")"
    return r.choice([f"(not {inner})", f"-{atom(r)}", f"[{inner}, {atom(r)}]", f"{{'k': {inner}}}", f"({atom(r)} < {atom(r)} <= {atom(r)})", f"({inner} ~ {atom(r)} ~ {atom(r)})"])


def body(r, depth):
    return "".join(statement(r, depth) for _ in range(r.randrange(1, 3)))


def statement(r, depth=0):
    e = lambda: expression(r, 1)
    if depth > 2:
        return "{{ %s }};" % atom(r)
    return r.choice([
        lambda: "{{ %s }};" % expression(r),
        lambda: "{{ %s }};" % expression(r),
        lambda: "{%% if %s %%}%s{%% elif %s %%}%s{%% else %%}%s{%% endif %%}" % (e(), body(r, depth + 1), e(), body(r, depth + 1), body(r, depth + 1)),
        lambda: "{%% for x in %s %%}%s{{ loop.%s }},{%% else %%}none{%% endfor %%}" % (
            r.choice(LISTS + TEXTS + ["d", "d.items()", "range(3)", "nope"]), body(r, depth + 1),
            r.choice(["index", "index0", "first", "last", "length", "revindex", "revindex0", "previtem", "nextitem", "depth", "cycle('a', 'b')", "changed(x)"])),
        lambda: "{%% for x in %s if %s %%}{{ x }}{{ loop.index }}{%% if loop.index > 1 %%}{%% %s %%}{%% endif %%}.{%% endfor %%}" % (
            r.choice(LISTS), e(), r.choice(["break", "continue"])),
        lambda: "{%% set v = %s %%}{{ v }}{%% set v, w = %s, 2 %%}{{ v }}{{ w }};" % (e(), e()),
        lambda: "{%% set ns = namespace(a=%s) %%}{%% for x in l %%}{%% set ns.a = ns.a ~ x %%}{%% set v = x %%}{%% endfor %%}{{ ns.a }}{{ v }};" % atom(r),
        lambda: "{%% macro f(a, b=%s) %%}<{{ a }}|{{ b }}|{{ varargs }}|{{ kwargs }}|{{ caller() if caller }}>{%% endmacro %%}{{ f(%s) }}{%% call f(%s, 1) %%}in{%% endcall %%}" % (
            atom(r), r.choice(["", "1", "1, 2", "b=3", "1, 2, 3", "a=1, k=2"]), atom(r)),
        lambda: "{%% with p = %s, o = i %%}%s{{ p }}{%% endwith %%}{{ p }};" % (e(), body(r, depth + 1)),
        lambda: "{%% filter %s %%}%s{%% endfilter %%};" % (r.choice(["upper", "trim", "title", "replace('a', 'b')", "indent(2)", "length"]), body(r, depth + 1)),
        lambda: "{%% set c %%}%s{%% endset %%}{{ c }};" % body(r, depth + 1),
        lambda: r.choice(LAYOUTS),
    ])()


def case(seed):
    r = random.Random(seed)
    return {"id": seed, "source": "".join(statement(r) for _ in range(r.randrange(1, 4))), "context": CONTEXT, "now": "2025-03-07T14:05:09"}

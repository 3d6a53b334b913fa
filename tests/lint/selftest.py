#!/usr/bin/env python3
"""Shows that each lint can fail: small trees with one mistake each, and one without any."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]

SLICE_H = "#ifndef SLICE_H\n#define SLICE_H\n\nint slice(void);\n\n#endif\n"
SLICE_C = '#include "gateway/base/slice.h"\n\n#include <stdio.h>\n\nint slice(void)\n{\n    return 0;\n}\n'
GOOD = {"gateway/base/slice.h": SLICE_H, "gateway/base/slice.c": SLICE_C}

LONG = "int slice(void)\n{\n" + "".join(f"    g{i}();\n" for i in range(98)) + "}\n"
RUN = "".join(f"    x{i} = {i};\n" for i in range(12))


def function(name, body):
    return f"int {name}(void)\n{{\n{body}    return {name}0;\n}}\n"


TABLES_PY = "import pathlib, sys\npathlib.Path(sys.argv[1], 'a.inc').write_text('1,\\n')\n"

# Lint, files beside GOOD's, and what the lint must say; None: nothing.
CASES = [
    ("layers", {}, None),
    ("layers", {"conf/a.c": '#include "gateway/base/slice.h"\n'}, None),
    ("layers", {"conf/a.h": "\n", "gateway/base/up.c": '#include "conf/a.h"\n'}, "gateway/base/up.c:1: includes conf/a.h"),
    ("layers", {"gateway/io/a.h": "\n", "gateway/http/b.c": '\n#include "gateway/io/a.h"\n'}, "gateway/http/b.c:2: includes gateway/io/a.h"),
    ("layers", {"routing/a.h": "\n", "gateway/provider/b.c": '#include "routing/a.h"\n'}, None),
    ("layers", {"gateway/main.h": "\n", "filters/b.c": '#include "gateway/main.h"\n'}, "filters stands no higher than gateway"),
    ("layers", {"gateway/base/b.c": '#include "slice.h"\n'}, "is not a path from the root"),
    ("layers", {"gateway/base/slice.c": '#include <stdio.h>\n#include "gateway/base/slice.h"\n'}, "comes first"),
    ("layers", {"routing/a.c": "#include <nghttp2/nghttp2.h>\n"}, "routing/a.c:1: includes nghttp2/nghttp2.h"),
    ("layers", {"gateway/io/a.c": "#include <ares.h>\n"}, "gateway/io/a.c:1: includes ares.h"),
    ("layers", {"gateway/io/resolve.c": "#include <ares.h>\n"}, None),
    ("layers", {"gateway/prompt/json.c": "#include <jansson.h>\n"}, "jansson.h, which is not met here"),
    ("layers", {"conf/a.c": "#include <uv.h>\n"}, "a library without a border"),
    ("layers", {"conf/a.c": "/* #include <uv.h> */\n"}, None),
    ("layers", {"tests/unit/a.h": "\n", "conf/a.c": '#include "tests/unit/a.h"\n'}, "tests include the product"),
    ("layers", {"conf/a.h": "size_t a(void);\n"}, "conf/a.h: does not compile alone with gcc"),
    ("threads", {}, None),
    ("threads", {"gateway/io/worker.c": "pthread_create();\n"}, None),
    ("threads", {"conf/a.c": "/* pthread_create */ char *a = \"pthread_create\";\n"}, None),
    ("threads", {"conf/a.c": "\n    pthread_create(&t, NULL, run, NULL);\n"}, "conf/a.c:2: pthread_create"),
    ("longest", {}, None),
    ("longest", {"conf/a.c": LONG.replace("    g0();\n", "")}, None),
    ("longest", {"conf/a.c": LONG}, "conf/a.c:1: slice has 101 lines"),
    ("repeats", {}, None),
    ("repeats", {"conf/a.c": function("a", RUN), "conf/b.c": function("b", RUN)}, "12 lines as at"),
    ("repeats", {"conf/a.c": function("a", RUN) + function("b", RUN)}, "12 lines as at"),
    ("repeats", {"conf/a.c": function("a", RUN), "conf/b.c": function("b", "    /* why */\n\n" + RUN.replace(" = ", "="))},
     "12 lines as at"),
    ("repeats", {"conf/a.c": function("a", RUN), "conf/b.c": function("b", RUN.replace("x11", "y11"))}, None),
    ("words", {}, None),
    ("words", {"conf/a.c": "/* TODO: all of it */\n"}, "conf/a.c:1: TODO"),
    ("words", {"conf/a.c": 'char name[] = "/tmp/XXXXXX"; /* hacked */\n'}, None),
    ("words", {"routing/a.c": "int downstream;\n"}, "routing/a.c:1: downstream"),
    ("generated", {}, None),
    ("generated", {"gateway/token/unicode_tables.py": TABLES_PY, "gateway/token/a.inc": "1,\n"}, None),
    ("generated", {"gateway/token/unicode_tables.py": TABLES_PY, "gateway/token/a.inc": "2,\n"}, "gateway/token/a.inc: is not what"),
    ("generated", {"gateway/token/unicode_tables.py": TABLES_PY}, "gateway/token/a.inc: is not what"),
    ("generated", {"gateway/token/unicode_tables.py": "1 / 0\n"}, "ZeroDivisionError"),
    ("format", {}, None),
    ("format", {"conf/a.c": "int a( void ) { return 0; }\n"}, "clang-format -i conf/a.c"),
]


def lint(name, extra):
    with tempfile.TemporaryDirectory() as folder:
        base = pathlib.Path(folder)
        shutil.copy(ROOT / ".clang-format", base)
        for path, content in {**GOOD, **extra}.items():
            (base / path).parent.mkdir(parents=True, exist_ok=True)
            (base / path).write_text(content, encoding="utf-8")
        return subprocess.run([sys.executable, HERE / f"{name}.py", folder], text=True, capture_output=True)


def main():
    failed = 0
    skipped = set()
    for name, extra, wanted in CASES:
        done = lint(name, extra)
        if done.returncode == 77:
            skipped.add(name)
        elif (done.returncode == 0) != (wanted is None) or (wanted or f"{name}: ok") not in done.stdout:
            print(f"{name} with {sorted(extra)}: wanted {wanted!r}, exit status {done.returncode}:\n{done.stdout}{done.stderr}")
            failed += 1
    for name in sorted(skipped):
        print(f"SKIP: {name} could not be shown to fail")
    print(f"selftest: {'failed' if failed else 'ok'} ({len(CASES)} cases)")
    return 1 if failed else 0


sys.exit(main())

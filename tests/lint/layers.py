#!/usr/bin/env python3
"""The house: who may include whom, where libraries stop, and headers that stand by themselves.

The ladder is gateway/README.md's. A file includes its own folder and lower rungs, from the root, its own header
first; a library is met inside its border only; every header compiles alone with gcc and with clang.
"""
import concurrent.futures
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
import tree

# Low to high; folders of one rung do not know each other.
LADDER = [
    ("gateway/base",),
    ("conf",),
    ("gateway/io", "gateway/http", "gateway/token"),
    ("gateway/codec", "plugins"),
    ("gateway/upstream", "gateway/prompt"),
    ("gateway/account",),
    ("routing", "filters"),
    ("gateway/proxy",),
    ("gateway/provider",),
    ("gateway",),
]
RUNG = {folder: rung for rung, folders in enumerate(LADDER) for folder in folders}

# Library header (as a beginning) and where it may be met (as beginnings of paths).
BORDERS = {
    "ares": ("gateway/io/resolve.",),
    "cuda": ("plugins/cuda/",),
    "event2/": ("gateway/io/",),
    "hiredis/": ("gateway/io/store.",),
    "libfyaml.h": ("conf/",),
    "llhttp.h": ("gateway/codec/",),
    "nghttp2/": ("gateway/codec/",),
    "openssl/": ("gateway/io/",),
    "pcre2.h": ("gateway/token/",),
    "xxhash.h": ("gateway/token/blocks.",),
    "zlib.h": ("gateway/token/",),
    "zmq.h": ("routing/kv_wire.",),
}
# Met anywhere but here: the hot path of requests has its own reader, and io has no JSON.
JANSSON_REFUSED = ("gateway/base/", "gateway/io/", "gateway/http/", "gateway/codec/", "gateway/prompt/json")

# C, POSIX, Linux and the compilers' own.
SYSTEM = re.compile(
    r"^((arpa|net|netinet|sys|linux)/[a-z0-9_]+|assert|ctype|dirent|dlfcn|endian|errno|fcntl|float|getopt|glob|"
    r"immintrin|arm_neon|inttypes|libgen|limits|locale|malloc|math|netdb|poll|pthread|pwd|sched|setjmp|signal|spawn|"
    r"stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings|syslog|termios|time|ucontext|"
    r"unistd|wchar|execinfo|link|elf)\.h$"
)

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(<([^>\n]+)>|"([^"\n]+)")', re.MULTILINE)


def folder_of(path):
    """The longest folder of the ladder that holds `path`."""
    for folder in sorted(RUNG, key=len, reverse=True):
        if path.startswith(folder + "/"):
            return folder
    return None


def complain_include(path, target, base):
    """What is wrong with including `target`, a file of ours, from `path`."""
    if not (base / target).is_file():
        return f"includes \"{target}\", which is not a path from the root"
    here, there = folder_of(path), folder_of(target)
    if target.startswith("tests/") and not path.startswith("tests/"):
        return f"includes {target}: tests include the product, not the other way"
    if here is None or there is None or here == there or RUNG[there] < RUNG[here]:
        return None
    return f"includes {target}: {here} stands no higher than {there}"


def complain_library(path, header):
    """What is wrong with including the library's or system's `header` from `path`."""
    if SYSTEM.match(header) or path.startswith("tests/"):
        return None
    if header == "jansson.h":
        return "includes jansson.h, which is not met here" if path.startswith(JANSSON_REFUSED) else None
    for library, places in BORDERS.items():
        if header.startswith(library):
            if path.startswith(places):
                return None
            return f"includes {header}, which is met in {', '.join(places)} only"
    return f"includes {header}, a library without a border; give it one in tests/lint/layers.py"


def complaints(base, path):
    source = tree.without_comments(tree.text(base, path))
    name = path.as_posix()
    own = path.with_suffix(".h").as_posix() if path.suffix == ".c" else None
    first = True
    for match in INCLUDE.finditer(source):
        line = source.count("\n", 0, match.start()) + 1
        system, ours = match.group(2), match.group(3)
        wrong = complain_library(name, system) if system else complain_include(name, ours, base)
        if wrong:
            yield f"{name}:{line}: {wrong}"
        if first and own and (base / own).is_file() and ours != own:
            yield f"{name}:{line}: its own header {own} comes first"
        first = False


def compile_alone(base, compiler, path):
    command = [compiler, "-std=gnu11", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-I.",
               "-I/usr/share/include/llhttp", "-x", "c", "-"]
    done = subprocess.run(command, cwd=base, input=f'#include "{path.as_posix()}"\n', text=True, capture_output=True)
    if done.returncode:
        return f"{path.as_posix()}: does not compile alone with {compiler}: {done.stderr.strip().splitlines()[0]}"
    return None


def main():
    base = tree.root()
    tree.need("gcc", "clang")
    sources = tree.files(base, tree.SOURCES, (".c", ".h"))
    findings = [finding for path in sources for finding in complaints(base, path)]
    headers = [path for path in sources if path.suffix == ".h" and path.parts[0] in tree.PRODUCT]
    jobs = [(compiler, path) for path in headers for compiler in ("gcc", "clang")]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        findings += filter(None, pool.map(lambda job: compile_alone(base, *job), jobs))
    tree.finish("layers", findings, len(sources))


main()

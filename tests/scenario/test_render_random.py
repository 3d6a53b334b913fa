"""Random small templates render as Debian's Jinja2 renders them, set up as transformers does it.

By itself: `/usr/bin/python3 tests/scenario/test_render_random.py FIRST COUNT` runs the cases FIRST, FIRST + 1, ...
"""
import copy
import datetime
import json
import pathlib
import re
import subprocess
import sys
import unittest

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import jinja_cases
from lib.harness import BUILD

try:
    import jinja2
    import jinja2.ext
    import jinja2.sandbox
except ImportError:
    jinja2 = None

CASES = 1500
# What Python prints with an address, or as a type of its own, is nothing a prompt has; there nothing is compared.
UNPRINTABLE = re.compile(r" at 0x[0-9a-f]+|<built-in|<bound method|<function|<class |<reversed|<method|<generator|<Cycler|<Markup|Markup\(")


# Jinja2 folds a slice of a literal that has none, such as 1.5[1:], into undefined when it compiles. Nobody writes that.
FOLDED = "is not subscriptable"


def environment():
    made = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
    made.filters["tojson"] = lambda x, ensure_ascii=False, indent=None, separators=None, sort_keys=False: json.dumps(
        x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    made.globals["strftime_now"] = lambda form: datetime.datetime(2025, 3, 7, 14, 5, 9).strftime(form)
    return made


def expected(jinja, case):
    """The text, or None where Jinja2 refuses."""
    try:
        text = jinja.from_string(case["source"]).render(**copy.deepcopy(case["context"]))
        text.encode()
        return text
    except Exception:
        return None


def differences(first, count):
    jinja = environment()
    cases = [jinja_cases.case(seed) for seed in range(first, first + count)]
    asked = "".join(json.dumps(case) + "\n" for case in cases)
    done = subprocess.run([BUILD / "sluice", "render", "--templates", "."], input=asked.encode(), capture_output=True, timeout=500)
    if done.returncode:
        raise AssertionError(f"exit code {done.returncode}: {done.stderr.decode()[-4000:]}")
    answers = [json.loads(line) for line in done.stdout.split(b"\n") if line]
    if len(answers) != count:
        raise AssertionError(f"{len(answers)} answers to {count} cases")
    for case, answer in zip(cases, answers):
        want = expected(jinja, case)
        if want is not None and (UNPRINTABLE.search(want) or FOLDED in answer.get("error", "")):
            continue
        if want != answer.get("text"):
            yield case, want, answer


@unittest.skipUnless(jinja2, "python3-jinja2 is not installed")
class Random(unittest.TestCase):
    def test_random_templates_render_as_jinja2_renders_them(self):
        found = list(differences(0, CASES))
        for case, want, answer in found[:5]:
            print(f"case {case['id']}: {case['source']!r}\n  want {want!r}\n  have {answer}")
        self.assertEqual(len(found), 0)


if __name__ == "__main__":
    start, amount = int(sys.argv[1]), int(sys.argv[2])
    total = 0
    for one, want, have in differences(start, amount):
        total += 1
        print(f"case {one['id']}: {one['source']!r}\n  want {want!r}\n  have {have}")
    print(f"{total} of {amount} differ")
    sys.exit(total > 0)

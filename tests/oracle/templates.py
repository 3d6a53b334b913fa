#!/usr/bin/env python3
"""templates.py [--count N] [--seed N] FOLDER: chat templates (*.jinja) through `sluice render` and through Debian's Jinja2.

Each template gets N conversations of conversations.py. Text must be the same, and so must be what raise_exception was told;
where Python faults in another way, sluice must fail as well. One line of JSON a difference; exit status 1 if there is any.
"""
import argparse
import collections
import copy
import datetime
import json
import pathlib
import re
import subprocess
import sys

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox

import conversations
import pair

NOW = datetime.datetime.fromisoformat("2025-03-07T14:05:09")
# Objects that print with an address: nothing a prompt has.
UNPRINTABLE = re.compile(r" at 0x[0-9a-f]+|<built-in|<bound method|<function|<class ")
REPORTED = 3


class Generation(jinja2.ext.Extension):
    """{% generation %}: its body, rendered as if the tag were not there."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def to_json(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment():
    made = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    made.filters["tojson"] = to_json
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = NOW.strftime
    return made


def expected(compiled, case):
    """("text", text), ("raised", message) or ("fault", words)."""
    case = copy.deepcopy(case)
    context = {name: case[name] for name in ("messages", "tools", "documents", "add_generation_prompt")}
    try:
        if isinstance(compiled, Exception):
            raise compiled
        return "text", compiled.render(**{**context, **case["special"], **case["kwargs"]})
    except jinja2.exceptions.TemplateError as error:
        return ("raised" if type(error) is jinja2.exceptions.TemplateError else "fault"), str(error.message)
    except Exception as error:
        return "fault", f"{type(error).__name__}: {error}"


def agrees(kind, words, answer):
    if kind == "text":
        return answer.get("text") == words or UNPRINTABLE.search(words)
    return "error" in answer and (kind == "fault" or answer["error"] == words)


def rendered(folder, cases):
    lines = "".join(json.dumps(case, ensure_ascii=False) + "\n" for case in cases)
    done = subprocess.run([pair.BUILD / "sluice", "render", "--templates", folder], input=lines.encode(), capture_output=True, timeout=500)
    answers = [json.loads(line) for line in done.stdout.decode().split("\n") if line]
    if done.returncode != 0 or len(answers) != len(cases):
        raise pair.Broken(f"status {done.returncode} after {len(answers)} of {len(cases)}: {done.stderr.decode()[-1000:]}")
    return answers


def compiled(jinja, path):
    """The template, or the error that rendering it shall end in."""
    try:
        return jinja.from_string(path.read_text(encoding="utf-8"))
    except jinja2.exceptions.TemplateError as error:
        return RuntimeError(f"does not compile: {error}")


def compare(jinja, path, count, seed):
    """How many conversations come out differently, and how many make text."""
    cases = [conversations.conversation(path.stem, number) for number in range(seed, seed + count)]
    template, different, texts = compiled(jinja, path), 0, 0
    for case, answer in zip(cases, rendered(path.parent, cases)):
        kind, words = expected(template, case)
        texts += kind == "text"
        if not agrees(kind, words, answer):
            different += 1
            if different <= REPORTED:
                print(json.dumps({"id": case["id"], "expected": {kind: words}, "got": answer, "case": case}), flush=True)
    return different, texts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    jinja, total = environment(), collections.Counter()
    for path in sorted(options.folder.glob("*.jinja")):
        different, texts = compare(jinja, path, options.count, options.seed)
        total.update(different=different, texts=texts, cases=options.count)
        if different or not texts:
            print(f"{path.stem}: {different} of {options.count} differ, {texts} make text", flush=True)
    print(f"{total['cases']} conversations, {total['texts']} make text, {total['different']} differ")
    return 1 if total["different"] else 0


if __name__ == "__main__":
    sys.exit(main())

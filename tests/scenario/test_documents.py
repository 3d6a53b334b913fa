"""What is written for people is true: the sample configuration has every directive with its default, and paths that
documents name exist."""
import fnmatch
import json
import re
import shutil
import subprocess
import unittest

from lib.harness import PYTHON, ROOT, command
from lib.scenario import Scenario

SAMPLE = ROOT / "conf" / "sluice.yaml"

# What the sample shows although it has no default to show: examples.
EXAMPLES = {
    "tenant_header", "classes.batch",
    "listeners[1]", "models.llama-3.1-8b.aliases[0]", "models.llama-3.1-8b.adapters[0]",
    "models.llama-3.1-8b.versions.stable.adapters[0]", "models.llama-3.1-8b.tokenizer",
    "models.llama-3.1-8b.versions.stable.model", "models.llama-3.1-8b.versions.stable.tokenizer",
    "models.llama-3.1-8b.versions.stable.chat_template", "models.llama-3.1-8b.chat_template",
    "models.llama-3.1-8b.default_chat_template_kwargs",
    "models.llama-3.1-8b.sticky", "models.*", "pools.llama.key_file", "pools.llama.sticky", "pools.llama.kv_events", "pools.llama.tls",
    "pools.llama.kv_events_replay", "pools.llama.kv_events_topic",
    "pools.llama.health.path", "pools.llama.metrics.path",
}

# Documents are read for `paths/like.this`; words with a slash that are no paths begin with none of these.
FOLDERS = "|".join(sorted(path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "."
                          and not path.name.startswith("build")))
NAMED_PATH = re.compile(rf"`((?:{FOLDERS})/[A-Za-z0-9_./*-]*)`")

FILES = (".c", ".h", ".def", ".py", ".yaml", ".sh")

JUDGE = ("import json,sys,jsonschema\nschema,documents=json.load(sys.stdin)\n"
         "print(json.dumps([[e.message for e in jsonschema.Draft202012Validator(schema).iter_errors(d)] for d in documents]))")
YAML_TO_JSON = "import json,sys,yaml\nprint(json.dumps([d for d in yaml.safe_load_all(sys.stdin)]))"


def whole_sample():
    """With what is left out put in: the `#` at the start of its line taken away."""
    return re.sub(r"^#((?:  )*)(?=\S)", r"\1", SAMPLE.read_text(), flags=re.MULTILINE)


def documents():
    return [path for path in sorted(ROOT.rglob("*.md"))
            if not any(part.startswith(("build", ".", "node_modules")) for part in path.relative_to(ROOT).parts)]


def folders_of_files():
    """Those with a table of their files: flat folders of sources."""
    below = ("gateway", "tests")
    single = [ROOT / name for name in ("routing", "filters", "conf")]
    inner = [path for name in below for path in sorted((ROOT / name).iterdir())
             if path.is_dir() and path.name not in ("__pycache__", "golden", "unit")]
    return [folder for folder in single + inner if any(path.suffix in FILES for path in folder.iterdir())]


def places(value, place=""):
    """Every directive of a configuration with the place it stands at, as the reference calls it."""
    if isinstance(value, list):
        for item in value:
            yield from places(item, place)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield place, key
            yield from places(inner, f"{place}.{key}" if place else key)


class Documents(Scenario):
    def setUp(self):
        """What the sample names as an example must be there: a tokenizer is loaded by `check`."""
        super().setUp()
        shutil.copytree(ROOT / "tests" / "engine" / "tokenizer", self.scratch / "tokenizers" / "llama")
        (self.scratch / "llama.jinja").write_text("{{ messages[0].content }}")

    def python(self, program, text):
        """Debian's Python, whose modules the tests may count on, reads a text and prints JSON."""
        done = subprocess.run([PYTHON, "-c", program], input=text, capture_output=True, text=True)
        missing = re.search(r"No module named '(\w+)'", done.stderr)
        if missing:
            self.skipTest(f"python3-{missing.group(1)} is not installed")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def yaml(self, text):
        """Its documents."""
        return self.python(YAML_TO_JSON, text)

    def check(self, text, name="sluice.yaml"):
        path = self.scratch / name
        path.write_text(text)
        status, _, err = command("check", path)
        self.assertEqual(status, 0, err)
        return path

    def test_the_sample_is_good_with_and_without_what_it_leaves_out(self):
        self.check(SAMPLE.read_text())
        self.check(whole_sample())

    def test_what_the_sample_leaves_out_is_left_out_with_its_default(self):
        bare, whole = self.check(SAMPLE.read_text()), self.check(whole_sample(), "whole.yaml")
        status, out, err = command("diff", bare, whole)
        self.assertEqual((status, err), (1, ""))
        self.assertEqual({line.split(": ")[0] for line in out.splitlines()}, EXAMPLES)

    def test_the_sample_has_every_directive_of_the_reference(self):
        shown = set(places(self.yaml(whole_sample())[0]))
        place, missing, count = "", [], 0
        for line in command("reference")[1].splitlines():
            if line.startswith("## "):
                place = "" if line == "## Top of the file" else line[3:]
            row = re.match(r"\| `(\w+)` \|", line)
            if row:
                count += 1
                if (place, row.group(1)) not in shown and place != "admin":
                    missing.append(f"{place}.{row.group(1)}")
        self.assertGreater(count, 70)
        self.assertEqual(missing, [])

    def test_the_configurations_of_containers_are_good(self):
        self.check((ROOT / "docker" / "sluice.yaml").read_text())
        manifest = self.yaml((ROOT / "docker" / "kubernetes.yaml").read_text())
        texts = [part["data"]["sluice.yaml"] for part in manifest if part["kind"] == "ConfigMap"]
        self.assertEqual(len(texts), 1)
        self.check(texts[0])

    def test_the_schema_accepts_what_editors_will_be_shown(self):
        texts = [whole_sample(), *(path.read_text() for path in (SAMPLE, ROOT / "conf" / "demo.yaml", ROOT / "docker" / "sluice.yaml"))]
        schema = json.loads(command("schema")[1])
        self.assertEqual(self.python(JUDGE, json.dumps([schema, [self.yaml(text)[0] for text in texts]])), [[]] * len(texts))

    def test_every_path_that_a_document_names_exists(self):
        wrong, seen = [], 0
        for document in documents():
            for name in NAMED_PATH.findall(document.read_text()):
                seen += 1
                if not any(ROOT.glob(name.rstrip("/"))):
                    wrong.append(f"{document.relative_to(ROOT)}: {name}")
        self.assertGreater(seen, 50)
        self.assertEqual(wrong, [])

    def test_every_field_of_ours_that_requests_may_carry_is_listed_for_users(self):
        fields = re.findall(r'^FIELD\(\w+, "(x-sluice-[a-z-]+|x-request-id|via)"', (ROOT / "gateway/http/field.def").read_text(), re.M)
        self.assertGreaterEqual(len(fields), 5, fields)
        for field in fields:
            with self.subTest(field=field):
                self.assertRegex((ROOT / "README.md").read_text(), rf"(?m)^\| `{field}` \|")

    def test_every_folder_says_what_each_of_its_files_is_for(self):
        """In the first column of a table, without the ending: one name for x.c and x.h."""
        wrong = []
        for folder in folders_of_files():
            readme = folder / "README.md"
            text = readme.read_text() if readme.exists() else ""
            named = {name for row in re.findall(r"^\| (`.*?`) \|", text, re.MULTILINE)
                     for name in re.findall(r"`([\w*]+)`", row)}
            there = {path.stem for path in folder.iterdir() if path.suffix in FILES}
            wrong += [f"{folder.relative_to(ROOT)}: {name} is not explained" for name in sorted(there)
                      if not any(fnmatch.fnmatch(name, pattern) for pattern in named)]
            wrong += [f"{folder.relative_to(ROOT)}: {name} is explained and not there" for name in sorted(named)
                      if not fnmatch.filter(there, name)]
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()

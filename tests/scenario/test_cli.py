"""The commands that operators use before anything runs: check, diff, schema, reference."""
import json
import re
import subprocess
import unittest

from lib import config
from lib.harness import BUILD, PYTHON, ROOT, command
from lib.scenario import Scenario

GOOD = """\
listeners:
  - { address: "127.0.0.1:8080" }
models:
  - name: llama
    versions:
      - { name: stable, pool: a, weight: 95 }
      - { name: next, pool: b, weight: 5 }
pools:
  - { name: a, engine: vllm, endpoints: ["http://10.0.0.11:8000", "http://10.0.0.12:8000"] }
  - { name: b, engine: sglang, endpoints: ["http://10.0.0.13:8000"] }
"""

# (what, replaced, by, line, what the complaint says)
COMPLAINTS = [
    ("an unknown key", "weight: 95", "wieght: 95", 6, r"wieght.*weight"),
    ("an unknown top-level key", "models:", "modles:", 3, r"modles.*models"),
    ("an unknown word", "engine: vllm", "engine: vlm", 9, r"vlm.*vllm"),
    ("an unknown pool", "pool: a,", "pool: aa,", 6, r"aa"),
    ("a number out of range", "weight: 95", "weight: -1", 6, r"weight"),
    ("text where a number is due", "weight: 95", "weight: many", 6, r"many"),
    ("a bad address", '"127.0.0.1:8080"', '"127.0.0.1:99999"', 2, r"99999"),
    ("a bad URL", '"http://10.0.0.13:8000"', '"ftp://10.0.0.13"', 10, r"ftp"),
    ("a listener as an endpoint", '"http://10.0.0.13:8000"', '"http://127.0.0.1:8080"', 10, r"127\.0\.0\.1:8080.*gateway itself.*listener"),
    ("a listener as an endpoint by name", '"http://10.0.0.13:8000"', '"dns:http://localhost:8080"', 10, r"localhost:8080.*gateway itself"),
    ("a pool twice", "name: b, engine", "name: a, engine", 10, r"a"),
    ("a duplicate key", "  - name: llama\n", "  - name: llama\n    name: llama\n", 5, r"name"),
    ("broken YAML", "models:", "models: [", 4, r"."),
    ("a tab", "  - name: llama", "\t- name: llama", 4, r"."),
    ("a star without quotes", "name: llama", "name: *", 4, r"quotes"),
    ("a model's key in a pool", "name: b, engine", "tokenizer: x, name: b, engine", 10, r"belongs into `models`"),
    ("clients on the admin's address", "models:", 'admin: { address: "127.0.0.1:8080" }\nmodels:', 3, r"a listener for clients has this address"),
    ("inspect: off beside other models", "  - name: llama\n", "  - { name: \"*\", inspect: off, pool: a }\n  - name: llama\n", 4, r"inspect"),
]


class Cli(Scenario):
    def file(self, text, name="sluice.yaml"):
        path = self.scratch / name
        path.write_text(text)
        return path

    def test_a_good_file_is_good(self):
        status, out, err = command("check", self.file(GOOD))
        self.assertEqual(status, 0, err)

    def test_the_examples_of_the_repository_are_good(self):
        for path in sorted((ROOT / "conf").glob("*.yaml")):
            with self.subTest(path=path.name):
                status, _, err = command("check", path)
                self.assertEqual(status, 0, err)

    def test_complaints_name_file_line_column_and_the_nearest_word(self):
        for what, old, new, line, says in COMPLAINTS:
            with self.subTest(what=what):
                self.assertIn(old, GOOD)
                path = self.file(GOOD.replace(old, new, 1))
                status, out, err = command("check", path)
                self.assertNotEqual(status, 0)
                found = re.findall(rf"{re.escape(str(path))}:(\d+):(\d+): (.*)", out + err)
                self.assertTrue(found, out + err)
                self.assertIn(line, [int(at) for at, _, _ in found], found)
                self.assertRegex(" ".join(text for _, _, text in found), says)
                self.assertTrue(all(int(column) >= 1 for _, column, _ in found))

    def test_all_complaints_come_at_once(self):
        text = GOOD.replace("weight: 95", "wieght: 95").replace("engine: vllm", "engine: vlm")
        _, out, err = command("check", self.file(text))
        self.assertGreaterEqual(len(re.findall(r"sluice\.yaml:\d+:\d+:", out + err)), 2, out + err)

    def test_a_prefix_that_paths_have_already_is_warned_of(self):
        for url, warned in (("http://10.0.0.13:8000/v1", True), ("https://e/openai/v1/", True), ("http://10.0.0.13:8000/serve", False), ("http://e/xv1", False)):
            with self.subTest(url=url):
                status, out, err = command("check", self.file(GOOD.replace("http://10.0.0.13:8000", url)))
                self.assertEqual(status, 0, err)
                self.assertEqual(bool(re.search(rf"sluice\.yaml:10:\d+: warning: `{re.escape(url)}` ends in /v1.*/v1/v1/chat", err)), warned, err)

    def test_a_command_without_its_arguments_says_what_they_are(self):
        status, out, err = command("blocks", "--tokenizer", "x")
        self.assertEqual((status, out), (2, ""))
        self.assertRegex(err, r"^usage: sluice blocks --tokenizer DIR --block-size N\n")

    def test_a_pool_that_no_model_uses_is_warned_of(self):
        for pool, warned in (("b", False), ("a", True)):
            with self.subTest(pool=pool):
                status, out, err = command("check", self.file(GOOD.replace("name: next, pool: b", f"name: next, pool: {pool}")))
                self.assertEqual(status, 0, err)
                self.assertEqual(bool(re.search(r"sluice\.yaml:10:\d+: warning: no model uses this pool", err)), warned, err)

    def test_the_admin_listener_is_no_endpoint(self):
        path = self.file(GOOD.replace('"http://10.0.0.13:8000"', '"http://localhost:9090"') + "admin: { address: \"[::]:9090\" }\n")
        status, out, err = command("check", path)
        self.assertEqual(status, 1, out + err)
        self.assertRegex(err, r"sluice\.yaml:10:\d+: .*localhost:9090.*`admin`")

    def test_a_missing_file_is_said_to_be_missing(self):
        status, out, err = command("check", self.scratch / "nothing.yaml")
        self.assertNotEqual(status, 0)
        self.assertIn("nothing.yaml", out + err)

    def test_run_refuses_what_check_refuses(self):
        path = self.file(GOOD.replace("weight: 95", "wieght: 95"))
        status, out, err = command("run", "-c", path)
        self.assertNotEqual(status, 0)
        self.assertRegex(out + err, r"sluice\.yaml:6:\d+:")

    def test_diff_names_what_changed_by_name(self):
        a = self.file(GOOD, "a.yaml")
        b = self.file(GOOD.replace("weight: 95", "weight: 90").replace("weight: 5 ", "weight: 10 ").replace(', "http://10.0.0.12:8000"', ""), "b.yaml")
        status, out, err = command("diff", a, b)
        self.assertIn("llama", out)
        self.assertRegex(out, r"weight.*95.*90")
        self.assertIn("10.0.0.12", out)
        self.assertNotIn("10.0.0.13", out)
        self.assertNotEqual(status, 2, err)
        same, out, _ = command("diff", a, a)
        self.assertEqual((same, out), (0, ""))

    def test_things_with_names_are_compared_by_them_and_not_by_place(self):
        lines = GOOD.splitlines(True)
        swapped = "".join(lines[:8] + [lines[9], lines[8]])
        out = command("diff", self.file(GOOD, "a.yaml"), self.file(swapped, "b.yaml"))[1]
        self.assertNotRegex(out, "10.0.0|engine|name")

    def schema(self):
        status, out, err = command("schema")
        self.assertEqual(status, 0, err)
        return json.loads(out)

    def test_the_schema_accepts_good_files_and_refuses_bad_ones(self):
        """Judged by python3-jsonschema, in Debian's Python."""
        schema = self.schema()
        self.assertEqual(schema["$schema"], "https://json-schema.org/draft/2020-12/schema")
        (self.scratch / "schema.json").write_text(json.dumps(schema))
        good = config.gateway(config.pool("a", ["http://10.0.0.1:8000"]))
        bad = [{**good, "no_such_key": 1}, {**good, "workers": "many"}, {**good, "pools": [{"name": "a"}]}, {**good, "pools": "a"}]
        (self.scratch / "cases.json").write_text(json.dumps([good, *bad]))
        judge = ("import json,sys,jsonschema as j\ns=json.load(open(sys.argv[1]))\nv=j.validators.validator_for(s)\nv.check_schema(s)\n"
                 "print(json.dumps([v(s).is_valid(c) for c in json.load(open(sys.argv[2]))]))")
        done = subprocess.run([PYTHON, "-c", judge, self.scratch / "schema.json", self.scratch / "cases.json"], capture_output=True, text=True)
        if "No module named" in done.stderr:
            self.skipTest("python3-jsonschema is not installed")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout), [True] + [False] * len(bad))

    def test_the_reference_has_every_directive_of_the_schema(self):
        status, out, err = command("reference")
        self.assertEqual(status, 0, err)
        keys = set()

        def walk(node):
            if isinstance(node, dict):
                keys.update(node.get("properties", {}))
                for value in node.values():
                    walk(value)
            elif isinstance(node, list):
                for value in node:
                    walk(value)
        walk(self.schema())
        self.assertGreater(len(keys), 30)
        for key in keys:
            self.assertIn(key, out)

    def test_unknown_commands_say_what_there_is(self):
        for args in ([], ["rnu"], ["--help"]):
            with self.subTest(args=args):
                status, out, err = command(*args)
                for word in ("run", "check", "diff", "schema", "reference"):
                    self.assertIn(word, out + err)
                self.assertEqual(status == 0, args == ["--help"])

    def test_the_binary_says_its_version(self):
        done = subprocess.run([BUILD / "sluice", "--version"], capture_output=True, text=True, timeout=20)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"\d+\.\d+")


if __name__ == "__main__":
    unittest.main()

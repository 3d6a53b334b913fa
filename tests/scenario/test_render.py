"""Chat templates by the command line: 21 real templates and one-feature ones render as Jinja2 renders them."""
import gzip
import json
import pathlib
import subprocess
import unittest

from lib.harness import BUILD, ROOT

CHAT = ROOT.parent / "shared" / "chat"
RESULTS = ("rendered", "error", "fault", "ids", "tokenizer")


def vectors(name):
    path = CHAT / f"{name}.jsonl.gz"
    if not path.exists():
        raise unittest.SkipTest(f"{path} is not here")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def render(cases, folder=CHAT / "templates"):
    """What `sluice render` answers to each case, in order."""
    asked = "".join(json.dumps({key: case[key] for key in case if key not in RESULTS}) + "\n" for case in cases)
    done = subprocess.run([BUILD / "sluice", "render", "--templates", folder], input=asked.encode(), capture_output=True, timeout=500)
    if done.returncode:
        raise AssertionError(f"exit code {done.returncode}: {done.stderr.decode()[-2000:]}")
    return [json.loads(line) for line in done.stdout.split(b"\n") if line]


class Render(unittest.TestCase):
    def check(self, cases):
        answers = render(cases)
        self.assertEqual(len(answers), len(cases))
        for case, answer in zip(cases, answers):
            with self.subTest(id=case["id"]):
                self.assertEqual(answer["id"], case["id"])
                if "fault" in case:
                    self.assertIn("error", answer)
                elif "error" in case:
                    self.assertEqual(answer.get("error"), case["error"])
                else:
                    self.assertEqual(answer.get("text"), case["rendered"], answer.get("error"))

    def test_real_templates_render_as_jinja2_renders_them(self):
        cases = vectors("chat_vectors")
        self.assertGreater(len(cases), 1000)
        self.check(cases)

    def test_every_feature_alone_does_what_jinja2_does(self):
        cases = vectors("jinja_core")
        self.assertGreater(len(cases), 150)
        self.check(cases)

    def test_a_template_outside_the_folder_is_not_read(self):
        for name in ("../templates/qwen3", "/etc/passwd", "", ".hidden", "no-such-template"):
            answer, = render([{"id": name, "template": name, "messages": []}], pathlib.Path(__file__).parent)
            self.assertEqual(set(answer), {"id", "error"})

    def test_what_is_no_json_object_is_said_and_the_rest_goes_on(self):
        lines = b'{"id": 1, "source": "a{{ x }}", "context": {"x": 1}}\n[1]\n{"id": 2, "source": "{% if %}", "context": {}}\n{"id": 3, "source": "b", "context": {}}\n'
        done = subprocess.run([BUILD / "sluice", "render", "--templates", "."], input=lines, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"line 2", done.stderr)
        answers = [json.loads(line) for line in done.stdout.split(b"\n") if line]
        self.assertEqual(answers[0], {"id": 1, "text": "a1"})
        self.assertRegex(answers[1]["error"], "^line 1: ")
        self.assertEqual(answers[2], {"id": 3, "text": "b"})


if __name__ == "__main__":
    unittest.main()

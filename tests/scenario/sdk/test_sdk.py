"""The official OpenAI clients for Python and Node, streaming, with tools, errors, cancels and retries."""
import json
import pathlib
import subprocess
import unittest

from lib import config
from lib.scenario import Scenario
from lib.wait import until
from sdk import fetched

HERE = pathlib.Path(__file__).resolve().parent


class Sdk:
    """The same expectations of both clients; subclasses say how one is run."""

    def setUp(self):
        super().setUp()
        try:
            self.command = self.prepare()
        except fetched.Missing as error:
            self.skipTest(str(error))
        self.sim = self.engine("--tokens", "12")
        self.proxy = self.in_front_of(self.sim, models=[config.model("sim", "main")], pool={"retry": {"attempts": 1}})

    def run_case(self, case):
        done = subprocess.run([*self.command, f"http://127.0.0.1:{self.proxy.port}", case], capture_output=True, text=True, timeout=self.slower(60))
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        return json.loads(done.stdout)

    def test_a_whole_answer(self):
        got = self.run_case("whole")
        self.assertTrue(got["content"])
        self.assertEqual((got["finish"], got["output"]), ("stop", 12))
        self.assertTrue(got["request_id"])

    def test_a_stream(self):
        got = self.run_case("stream")
        self.assertTrue(got["content"])
        self.assertEqual(got["finish"], "stop")
        self.assertIsNone(got["usage"], "usage the client did not ask for")

    def test_tools_whole_and_streamed(self):
        got = self.run_case("tools")
        self.assertEqual((got["name"], got["streamed_name"]), ("weather", "weather"))
        self.assertIsInstance(got["arguments"], dict)
        self.assertEqual(got["arguments"], got["streamed_arguments"])

    def test_errors_raise_the_class_of_their_status(self):
        got = self.run_case("errors")
        self.assertEqual(got["unknown model"], ["NotFoundError", 404, "model_not_found", "model"])
        self.assertEqual(got["bad value"][:2], ["BadRequestError", 400])
        self.assertEqual(got["bad value"][3], "max_tokens")
        self.assertEqual(got["engine is busy"][:2], ["InternalServerError", 503])
        self.assertEqual(got["engine fails"][:2], ["InternalServerError", 500])

    def test_cancelled_streams_are_aborted_at_the_engine(self):
        slow = self.engine("--tokens", "5000", time_scale=1)
        self.proxy = self.in_front_of(slow, models=[config.model("sim", "main")])
        self.run_case("cancel")
        until("the engine aborted them", lambda: slow.stats()["aborts"] == 5, self.slower(5))

    def test_its_own_retries_succeed_after_503(self):
        self.sim.fault("busy", 2)
        got = self.run_case("retries")
        self.assertTrue(got["content"])
        self.assertGreater(got["seconds"], 0.5, "Retry-After was not honoured")


class Python(Sdk, Scenario):
    def prepare(self):
        return [str(fetched.openai_python()), str(HERE / "client.py")]

    def test_a_stream_with_usage(self):
        self.assertEqual(self.run_case("stream_with_usage"), {"choices": 0, "output": 12})

    def test_responses(self):
        got = self.run_case("responses")
        self.assertTrue(got["text"])
        self.assertEqual((got["first"], got["last"]), ("response.created", "response.completed"))

    def test_models_embeddings_and_completions(self):
        got = self.run_case("others")
        self.assertEqual(got["models"], ["sim"])
        self.assertGreater(got["embedding"], 0)
        self.assertTrue(got["completion"])

    def test_an_error_inside_a_stream_raises(self):
        got = self.run_case("stream_error")
        self.assertGreater(got["pieces"], 0)
        self.assertTrue(got["raised"])

    def test_engine_errors_keep_their_status(self):
        self.assertEqual(self.run_case("errors")["engine says 400"][:2], ["BadRequestError", 400])


class Node(Sdk, Scenario):
    def prepare(self):
        folder = fetched.openai_node()
        return ["node", str(HERE / "client.mjs"), str(folder / "node_modules" / "openai" / "index.mjs")]


if __name__ == "__main__":
    unittest.main()

// Runs with the OpenAI SDK for Node: each case prints what it saw, as JSON. Usage: node client.mjs MODULE BASE_URL CASE
const { default: OpenAI } = await import(process.argv[2]);
const url = process.argv[3];

const messages = [{ role: "user", content: "Tell me about rivers." }];
const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } } }];
const client = (more = {}) => new OpenAI({ baseURL: url + "/v1", apiKey: "sk-test", maxRetries: 0, timeout: 30000, ...more });

const cases = {
  async whole() {
    const answer = await client().chat.completions.create({ model: "sim", messages });
    return { content: answer.choices[0].message.content, finish: answer.choices[0].finish_reason, output: answer.usage.completion_tokens, request_id: answer._request_id };
  },

  async stream() {
    let content = "", finish = null, chunks = 0, usage = null;
    for await (const piece of await client().chat.completions.create({ model: "sim", messages, stream: true })) {
      chunks++;
      content += piece.choices[0].delta.content ?? ""; // an event without choices would throw
      finish = piece.choices[0].finish_reason ?? finish;
      usage = piece.usage ?? usage;
    }
    return { content, finish, chunks, usage };
  },

  async tools() {
    const asked = { model: "sim", messages: [{ role: "user", content: "call the tool" }], tools, tool_choice: "required" };
    const call = (await client().chat.completions.create(asked)).choices[0].message.tool_calls[0];
    let name = null, text = "";
    for await (const piece of await client().chat.completions.create({ ...asked, stream: true }))
      for (const part of piece.choices[0].delta.tool_calls ?? []) {
        name = part.function.name ?? name;
        text += part.function.arguments ?? "";
      }
    return { name: call.function.name, arguments: JSON.parse(call.function.arguments), streamed_name: name, streamed_arguments: JSON.parse(text) };
  },

  async errors() {
    const seen = {};
    const ask = {
      "unknown model": () => client().chat.completions.create({ model: "nobody", messages }),
      "bad value": () => client().chat.completions.create({ model: "sim", messages, max_tokens: "ten" }),
      "engine is busy": () => client().chat.completions.create({ model: "sim", messages }, { headers: { "x-fault": "busy" } }),
      "engine fails": () => client().chat.completions.create({ model: "sim", messages }, { headers: { "x-fault": "status=500" } }),
    };
    for (const [what, run] of Object.entries(ask)) {
      try {
        await run();
        seen[what] = null;
      } catch (error) {
        seen[what] = [error.constructor.name, error.status ?? null, error.code ?? null, error.param ?? null];
      }
    }
    return seen;
  },

  async cancel() {
    for (let n = 0; n < 5; n++) {
      const pieces = await client().chat.completions.create({ model: "sim", messages, stream: true, max_tokens: 5000 });
      let number = 0;
      for await (const _ of pieces) if (number++ === 3) break;
      pieces.controller.abort();
    }
    return { cancelled: 5 };
  },

  async retries() {
    const start = Date.now();
    const answer = await client({ maxRetries: 3 }).chat.completions.create({ model: "sim", messages });
    return { content: answer.choices[0].message.content, seconds: (Date.now() - start) / 1000 };
  },
};

console.log(JSON.stringify(await cases[process.argv[4]]()));

// Computes ONNX models with onnxruntime-web. One thread: more would need headers that plain static hosts do not send.

import * as ort from "./ort/ort.wasm.bundle.min.mjs";

const sessions = {};

const tasks = {
  async start({ wasm, models }) {
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = wasm;
    for (const [name, bytes] of Object.entries(models)) sessions[name] = await ort.InferenceSession.create(bytes);
  },
  async run({ model, inputs }) {
    const feeds = {}, results = {};
    for (const [name, { data, shape }] of Object.entries(inputs)) feeds[name] = new ort.Tensor("float32", data, shape);
    for (const [name, tensor] of Object.entries(await sessions[model].run(feeds))) results[name] = tensor.data;
    return results;
  },
};

onmessage = async ({ data: { number, task, given } }) => {
  try {
    postMessage({ number, result: await tasks[task](given) });
  } catch (error) {
    postMessage({ number, error: String(error.message || error) });
  }
};

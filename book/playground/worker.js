// Computes the network with onnxruntime-web. One thread: more would need headers that plain static hosts do not send.

import * as ort from "./ort/ort.wasm.bundle.min.mjs";

let encoder, decoder;

const tasks = {
  async start({ wasm, encoder: first, decoder: second }) {
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.wasmBinary = wasm;
    encoder = await ort.InferenceSession.create(first);
    decoder = await ort.InferenceSession.create(second);
  },
  async encode(image) {
    const { z } = await encoder.run({ image: new ort.Tensor("float32", image, [1, 3, 256, 256]) });
    return z.data; // [500]
  },
  async decode(z) {
    const { copy } = await decoder.run({ z: new ort.Tensor("float32", z, [1, 500, 1, 1]) });
    return copy.data; // [3 * 256 * 256]
  },
  async copy(image) {
    const z = await tasks.encode(image);
    return { z, copy: await tasks.decode(z) };
  },
};

onmessage = async ({ data: { number, task, given } }) => {
  try {
    postMessage({ number, result: await tasks[task](given) });
  } catch (error) {
    postMessage({ number, error: String(error.message || error) });
  }
};

// The network, computed beside the page by a worker, so that drawing never waits for it.

export const SIZE = 256;
const LATENT = 500;

// Files that are large enough to be worth a progress bar, with their sizes where the server does not say them.
const FILES = { wasm: "ort/ort-wasm-simd-threaded.wasm", encoder: "encoder.onnx", decoder: "decoder.onnx" };

export class Network {
  // onProgress(loaded, total) in bytes, while the files come in.
  static async load(onProgress) {
    const sizes = {}, loaded = {};
    const fetched = Object.entries(FILES).map(async ([name, file]) => {
      const response = await fetch(file);
      if (!response.ok) throw new Error(`${file} could not be loaded (${response.status}).`);
      sizes[name] = Number(response.headers.get("Content-Length")) || 0;
      return [name, await readAll(response, (bytes) => {
        loaded[name] = bytes;
        onProgress(sum(loaded), sum(sizes));
      })];
    });
    const network = new Network();
    await network.ask("start", Object.fromEntries(await Promise.all(fetched)));
    return network;
  }

  constructor() {
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.waiting = new Map();
    this.number = 0;
    this.worker.onmessage = ({ data }) => {
      const { resolve, reject } = this.waiting.get(data.number);
      this.waiting.delete(data.number);
      data.error ? reject(new Error(data.error)) : resolve(data.result);
    };
    this.worker.onerror = (event) => {
      for (const { reject } of this.waiting.values()) reject(new Error(event.message || "The worker stopped."));
    };
  }

  ask(task, given) {
    const number = ++this.number;
    return new Promise((resolve, reject) => {
      this.waiting.set(number, { resolve, reject });
      this.worker.postMessage({ number, task, given });
    });
  }

  // Float32Array [3 * 256 * 256] in [0, 1] -> { z: Float32Array [500], copy: Float32Array [3 * 256 * 256] }
  copy(image) { return this.ask("copy", image); }

  encode(image) { return this.ask("encode", image); }

  decode(z) { return this.ask("decode", z); }
}

// (1 - way) * a + way * b, for two latent vectors
export function mix(a, b, way) {
  return Float32Array.from({ length: LATENT }, (_, i) => (1 - way) * a[i] + way * b[i]);
}

async function readAll(response, onBytes) {
  const reader = response.body.getReader(), parts = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    onBytes((bytes += value.length));
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

function sum(object) { return Object.values(object).reduce((a, b) => a + b, 0); }

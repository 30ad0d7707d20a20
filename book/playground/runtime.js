// Loads files with their progress, and computes ONNX models beside the page, so that drawing never waits for them.

const WASM = "ort/ort-wasm-simd-threaded.wasm";
let wasm = null; // its bytes, which the next worker needs, too

/** @typedef {{ data: Float32Array, shape: number[] }} Tensor */
/** @typedef {(loaded: number, total: number) => void} Progress bytes so far, and bytes in all */

/**
 * Loads some files of this folder.
 * @param {string[]} files their paths
 * @param {Record<string, number>} sizes bytes of each file, unpacked, as the build has written them
 * @param {Progress} onProgress
 * @returns {Promise<Record<string, Uint8Array>>}
 * @throws {Error} with a sentence for the reader
 */
export async function fetchFiles(files, sizes, onProgress) {
  const loaded = Object.fromEntries(files.map((file) => [file, 0])), total = sum(files.map((file) => sizes[file] || 0));
  const fetched = files.map(async (file) => {
    try {
      const response = await fetch(new URL(file, import.meta.url));
      if (!response.ok) throw new Error(`the server answers ${response.status}`);
      const bytes = await readAll(response, (count) => {
        loaded[file] = count;
        onProgress(sum(Object.values(loaded)), total);
      });
      return [file, bytes];
    } catch (error) {
      throw new Error(`The connection was lost while ${file} was loading (${error.message}).`);
    }
  });
  return Object.fromEntries(await Promise.all(fetched));
}

/** Models that a worker of their own computes. */
export class Runtime {
  /**
   * @param {Record<string, string>} models a name for each model, and its file
   * @param {string[]} others more files to load with them
   * @param {Record<string, number>} sizes
   * @param {Progress} onProgress
   * @returns {Promise<{ runtime: Runtime, files: Record<string, Uint8Array> }>} `files` are the others
   */
  static async load(models, others, sizes, onProgress) {
    const files = await fetchFiles([...(wasm ? [] : [WASM]), ...Object.values(models), ...others], sizes, onProgress);
    wasm ??= files[WASM];
    const runtime = new Runtime();
    const contents = Object.entries(models).map(([name, file]) => [name, files[file]]);
    await runtime.#ask("start", { wasm, models: Object.fromEntries(contents) });
    return { runtime, files };
  }

  #worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  #waiting = new Map();
  #number = 0;

  constructor() {
    this.#worker.onmessage = ({ data: { number, error, result } }) => {
      const { resolve, reject } = this.#waiting.get(number);
      this.#waiting.delete(number);
      error ? reject(new Error(error)) : resolve(result);
    };
    this.#worker.onerror = (event) => {
      const words = event.message || "The program that computes the networks could not be loaded.";
      for (const { reject } of this.#waiting.values()) reject(new Error(words));
      this.#waiting.clear();
    };
  }

  /**
   * @param {string} model its name
   * @param {Record<string, Tensor>} inputs
   * @returns {Promise<Record<string, Float32Array>>} its outputs
   */
  run(model, inputs) { return this.#ask("run", { model, inputs }); }

  #ask(task, given) {
    const number = ++this.#number;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.#worker.postMessage({ number, task, given });
    });
  }
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

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

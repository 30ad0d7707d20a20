// Learns from good pictures and judges others. Knows nothing of the page: it calls `changed` when something is new.

import { toPlanes } from "../../playground/measure.js";
import { MemoryBank, readSafetensors } from "../../playground/memory_bank.js";
import { Runtime } from "../../playground/runtime.js";
import { CANDIDATES, PLACES, ROWS, WIDTH, limitOf, shuffledPlaces, withoutRowsOf } from "./bank.js";
import * as file from "./file.js";

export const MOST = 100; // good pictures; the features of one take 0.6 MB
export const LEAST = 3; // good pictures from which on there is a limit
const TOP = 10; // the image score is the mean of the 10 largest distances, as patchcore.TOP_K
const HERE = "../teach/detector/"; // of this folder, as the playground's loader sees it

/**
 * @typedef {object} Example a good picture
 * @property {number} number never used again
 * @property {ImageData} picture
 * @property {Float32Array} patches [1024 * 152]
 * @property {number | null} novelty how unlike the bank it was when it came, as a distance; null for the first
 * @property {number} rows of the bank that come from it
 * @property {number | null} score by a bank without itself, as a distance
 */

/**
 * What the bank says of a picture; the score is a distance.
 * @typedef {import("../../playground/memory_bank.js").Found & { picture: ImageData, patches: import("../../playground/memory_bank.js").Tensor }} Judged
 */

export class Detector {
  /**
   * @param {Record<string, number>} sizes bytes of the files, from data.json
   * @param {import("../../playground/runtime.js").Progress} onProgress
   */
  static async load(sizes, onProgress) {
    // WebAssembly alone: the builds with WebGPU or WebNN would add 17 to 28 MB beside it, and not every browser runs them.
    const models = { backbone: `${HERE}coarse.onnx`, nearest: `${HERE}nearest.onnx` }, start = `${HERE}start.safetensors`;
    const { runtime, files } = await Runtime.load(models, [start], sizes, onProgress);
    const { projection } = readSafetensors(files[start]).tensors;
    return new Detector(new MemoryBank(runtime, null, TOP), projection.data);
  }

  /** @type {Example[]} */
  examples = [];
  /** @type {(what: "examples" | "bank" | "limit") => void} */
  changed = () => {};
  typical = null; // mean distance score of good pictures; scores are relative to it
  limit = null; // of scores
  held = []; // scores of the good pictures, of which the limit was chosen
  owners = null; // number of the example that each row of the bank comes from
  places = null; // and the patch in it
  radius = 0; // how far the candidate that the bank covers worst is from it
  #bank;
  #projection;
  #worker = new Worker(new URL("coreset_worker.js", import.meta.url), { type: "module" });
  #fitting = null;
  #stale = false;
  #version = 0;
  #next = 0;

  /**
   * @param {MemoryBank} bank
   * @param {Float32Array} projection
   */
  constructor(bank, projection) {
    this.#bank = bank;
    this.#projection = projection;
  }

  get ready() { return this.#bank.bank !== null; }
  get busy() { return this.#fitting !== null; }
  get rows() { return this.#bank.bank?.coreset.shape[0] ?? 0; }
  /** A bank from Python has no pictures, so it can judge but not learn. */
  get fixed() { return this.ready && !this.owners; }

  /**
   * Adds a good picture. The bank follows: `await settled()` for it.
   * @param {ImageData} picture
   * @returns {Promise<Example>}
   * @throws {Error} with a sentence for the reader
   */
  async add(picture) {
    if (this.fixed) throw new Error("This bank came without its pictures, so it judges but learns nothing more. “Start anew” empties it.");
    if (this.examples.length >= MOST) throw new Error(`${MOST} good pictures are all that this page takes; for more there is hazelnut-ae train.`);
    const patches = await this.#bank.patches(toPlanes(picture.data));
    const novelty = this.ready ? (await this.#bank.compare(patches)).score : null;
    const example = { number: this.#next++, picture, patches: patches.data, novelty, rows: 0, score: null };
    this.examples = [...this.examples, example];
    this.#refit();
    return example;
  }

  /** @param {Example[]} examples */
  remove(examples) {
    const numbers = new Set(examples.map(({ number }) => number));
    this.examples = this.examples.filter(({ number }) => !numbers.has(number));
    this.#refit();
  }

  /** @param {Example[]} examples that were removed */
  putBack(examples) {
    this.examples = [...this.examples, ...examples];
    this.#refit();
  }

  clear() {
    this.examples = [];
    this.#forget();
    this.#refit();
  }

  /**
   * @param {ImageData} picture
   * @param {Judged | null} before what was said of the same picture by an older bank: its features are used again
   * @returns {Promise<Judged | null>} null without a bank
   */
  async judge(picture, before = null) {
    if (!this.ready) return null;
    const patches = before?.patches ?? (await this.#bank.patches(toPlanes(picture.data)));
    return this.ready ? { picture, patches, ...(await this.#bank.compare(patches)) } : null;
  }

  /** A distance as a score: 1 for an average good picture. */
  relative(distance) { return distance / this.typical; }

  /** Waits until the bank and its limit are those of all examples. */
  async settled() { while (this.#fitting) await this.#fitting; }

  /** The good picture and the patch in it that a patch of a judged picture is most like; null if the bank has no pictures. */
  nearest(judged, patch) {
    const row = judged.rows[patch], example = this.owners && this.examples.find(({ number }) => number === this.owners[row]);
    return example ? { example, place: this.places[row] } : null;
  }

  /** @returns {Promise<Uint8Array>} the file */
  async save() {
    await this.settled();
    const positions = new Map(this.examples.map(({ number }, i) => [number, i])), { typical, limit, held } = this;
    const owners = Int32Array.from(this.owners, (number) => positions.get(number));
    const pictures = this.examples.map(({ picture }) => picture);
    const novelties = this.examples.map(({ novelty }) => novelty);
    return file.write({ bank: this.#bank.bank, owners, places: this.places, pictures, novelties, scores: held, typical, limit });
  }

  /**
   * Takes the detector in a file, in place of this one.
   * @param {Uint8Array[]} files as file.read
   * @throws {Error} with a sentence for the reader; then nothing has changed
   */
  async open(files) {
    const stored = await file.read(files), examples = [];
    await this.settled();
    for (const [i, picture] of stored.pictures.entries()) {
      const { data } = await this.#bank.patches(toPlanes(picture.data));
      const score = stored.scores[i] === undefined ? null : stored.scores[i] * stored.typical;
      examples.push({ number: this.#next + i, picture, patches: data, novelty: stored.novelties[i] ?? null, score, rows: 0 });
    }
    this.#bank.bank = stored.bank;
    this.owners = stored.owners?.map((position) => this.#next + position) ?? null;
    const { places, typical, limit, scores } = stored;
    Object.assign(this, { examples, places, typical, limit, held: scores });
    this.#next += examples.length;
    this.#countRows();
    this.changed("bank");
  }

  #refit() {
    this.#stale = true;
    this.#version++;
    this.changed("examples");
    this.#fitting ??= this.#fitAll().finally(() => {
      this.#fitting = null;
      this.changed("limit");
    });
  }

  async #fitAll() {
    while (this.#stale) {
      this.#stale = false;
      const { examples } = this, version = this.#version;
      if (!examples.length) {
        this.#forget();
        this.changed("bank");
        continue;
      }
      const { features, owners, places } = candidates(examples);
      const { mean, scale, coreset, rows, radius } = await this.#choose(features);
      if (!this.examples.length) continue;
      const tensor = (data) => ({ data, shape: [WIDTH] });
      this.#bank.bank = { coreset: { data: coreset, shape: [rows.length, WIDTH] }, mean: tensor(mean), scale: tensor(scale) };
      this.owners = Int32Array.from(rows, (row) => owners[row]);
      this.places = Int32Array.from(rows, (row) => places[row]);
      this.radius = radius;
      this.#countRows();
      this.changed("bank");
      await this.#calibrate(examples, version);
    }
  }

  #forget() {
    this.#bank.bank = this.owners = this.places = this.typical = this.limit = null;
    this.held = [];
  }

  // Scores each good picture by the bank without its own rows; stops when the examples have changed meanwhile.
  async #calibrate(examples, version) {
    if (version !== this.#version) return;
    if (examples.length < 2) {
      this.typical = this.limit = null;
      return;
    }
    const { bank } = this.#bank, scores = [];
    for (const { number, patches } of examples) {
      const others = withoutRowsOf(bank.coreset.data, this.owners, number), shape = [others.length / WIDTH, WIDTH];
      const tensor = { data: patches, shape: [1, PLACES, WIDTH] };
      scores.push((await this.#bank.compare(tensor, { ...bank, coreset: { data: others, shape } })).score);
      if (version !== this.#version) return;
    }
    examples.forEach((example, i) => (example.score = scores[i]));
    this.typical = Math.max(scores.reduce((a, b) => a + b) / scores.length, 1e-12);
    this.held = scores.map((score) => score / this.typical);
    this.limit = scores.length >= LEAST ? limitOf(this.held).limit : null;
  }

  #countRows() {
    const counts = new Map();
    for (const number of this.owners ?? []) counts.set(number, (counts.get(number) ?? 0) + 1);
    for (const example of this.examples) example.rows = counts.get(example.number) ?? 0;
  }

  #choose(features) {
    return new Promise((resolve, reject) => {
      this.#worker.onmessage = ({ data }) => resolve(data.bank);
      this.#worker.onerror = () => reject(new Error("The bank could not be computed: load the page again."));
      this.#worker.postMessage({ features, projection: this.#projection, size: ROWS }, [features.buffer]);
    });
  }
}

/**
 * Some patches of each example, so many that all together are about 20,000.
 * @param {Example[]} examples
 */
export function candidates(examples) {
  const count = Math.min(PLACES, Math.ceil(CANDIDATES / examples.length)), total = count * examples.length;
  const features = new Float32Array(total * WIDTH), owners = new Int32Array(total), places = new Int32Array(total);
  examples.forEach(({ number, patches }, i) => {
    shuffledPlaces(i).subarray(0, count).forEach((place, j) => {
      const row = i * count + j;
      features.set(patches.subarray(place * WIDTH, (place + 1) * WIDTH), row * WIDTH);
      owners[row] = number;
      places[row] = place;
    });
  });
  return { features, owners, places };
}

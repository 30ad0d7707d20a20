// A memory bank of pretrained features, as hazelnut_ae/patchcore.py has it: is this patch similar to one of a good image?

import { imageScore } from "./measure.js";
import { Runtime } from "./runtime.js";

/** @typedef {import("./runtime.js").Tensor} Tensor */
/**
 * What a bank holds: features of good patches [K, D], and how features are scaled before they are compared.
 * @typedef {{ coreset: Tensor, mean: Tensor, scale: Tensor }} Bank
 */
/**
 * [256 * 256], [32 * 32], one number, and the nearest row of each patch where the model gives it
 * @typedef {{ map: Float32Array, distances: Float32Array, score: number, rows?: Int32Array }} Found
 */

export class MemoryBank {
  /**
   * Loads the backbone and the bank that the build has left beside this module.
   * @param {Record<string, number>} sizes bytes of the files, from data.json
   * @param {import("./runtime.js").Progress} onProgress
   */
  static async load(sizes, onProgress) {
    const models = { backbone: "backbone.onnx", nearest: "nearest.onnx" }, file = "bank.safetensors";
    const { runtime, files } = await Runtime.load(models, [file], sizes, onProgress);
    const { tensors, metadata } = readSafetensors(files[file]);
    return new MemoryBank(runtime, tensors, JSON.parse(metadata.bank).top);
  }

  #runtime;

  /**
   * @param {Runtime} runtime with the models "backbone" and "nearest"
   * @param {Bank} bank may be replaced by another one at any time
   * @param {number} top the image score is the mean of so many largest distances
   */
  constructor(runtime, bank, top) {
    this.#runtime = runtime;
    this.bank = bank;
    this.top = top;
  }

  /**
   * The features of an image's patches, before they are scaled.
   * @param {Float32Array} image [3 * 256 * 256] in [0, 1], colour after colour
   * @returns {Promise<Tensor>} [1, 32 * 32, D]
   */
  async patches(image) {
    const { patches } = await this.#runtime.run("backbone", { image: { data: image, shape: [1, 3, 256, 256] } });
    return { data: patches, shape: [1, 1024, patches.length / 1024] };
  }

  /**
   * How far each patch is from its nearest neighbour in the bank.
   * @param {Tensor} patches
   * @param {Bank} bank
   * @returns {Promise<Found>} the map is enlarged and smoothed
   */
  async compare(patches, bank = this.bank) {
    const { map, distances, rows } = await this.#runtime.run("nearest", { patches, ...bank });
    return { map, distances, score: imageScore(distances, this.top), rows };
  }

  /** @param {Float32Array} image */
  async find(image) { return this.compare(await this.patches(image)); }
}

const KINDS = { F64: Float64Array, F32: Float32Array, F16: Uint16Array, U8: Uint8Array, I32: Int32Array, I64: BigInt64Array };

/**
 * Reads a file of tensors (https://github.com/huggingface/safetensors): float32, whole numbers, or float16, which is widened.
 * @param {Uint8Array} bytes
 * @returns {{ tensors: Record<string, Tensor>, metadata: Record<string, string> }}
 * @throws {Error} if it is no such file
 */
export function readSafetensors(bytes) {
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const size = buffer.byteLength < 8 ? Infinity : Number(new DataView(buffer).getBigUint64(0, true));
  if (size > buffer.byteLength - 8) throw new Error("This is no file of tensors.");
  const { __metadata__: metadata = {}, ...header } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, size)));
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
    if (!KINDS[dtype]) throw new Error(`The tensor ${name} has numbers of the kind ${dtype}.`);
    const data = new KINDS[dtype](buffer.slice(8 + size + offsets[0], 8 + size + offsets[1]));
    tensors[name] = { data: dtype === "F16" ? fromHalf(data) : data, shape };
  }
  return { tensors, metadata };
}

/**
 * Numbers in half precision as float32
 * @param {Uint16Array} halves
 */
export function fromHalf(halves) {
  return Float32Array.from(halves, (half) => {
    const sign = half & 0x8000 ? -1 : 1, exponent = (half >> 10) & 31, fraction = (half & 1023) / 1024;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction) : 2 ** -14 * fraction);
  });
}

// The article's network: an image goes in, 500 numbers come out, and from these its reconstruction.

import { Runtime } from "./runtime.js";

const LATENT = 500;

export class Autoencoder {
  /**
   * @param {Record<string, number>} sizes bytes of the files, from data.json
   * @param {import("./runtime.js").Progress} onProgress
   */
  static async load(sizes, onProgress) {
    const models = { encoder: "encoder.onnx", decoder: "decoder.onnx" };
    const { runtime } = await Runtime.load(models, [], sizes, onProgress);
    return new Autoencoder(runtime);
  }

  #runtime;

  /** @param {Runtime} runtime */
  constructor(runtime) { this.#runtime = runtime; }

  /**
   * @param {Float32Array} image [3 * 256 * 256] in [0, 1], colour after colour
   * @returns {Promise<{ z: Float32Array, reconstruction: Float32Array }>} [500] and [3 * 256 * 256] in [0, 1]
   */
  async reconstruct(image) {
    const z = await this.encode(image);
    return { z, reconstruction: await this.decode(z) };
  }

  /** @param {Float32Array} image */
  async encode(image) {
    return (await this.#runtime.run("encoder", { image: { data: image, shape: [1, 3, 256, 256] } })).z;
  }

  /** @param {Float32Array} z */
  async decode(z) {
    return (await this.#runtime.run("decoder", { z: { data: z, shape: [1, LATENT, 1, 1] } })).reconstruction;
  }
}

/**
 * (1 - way) * a + way * b, for two latent vectors
 * @param {Float32Array} a
 * @param {Float32Array} b
 * @param {number} way from 0 to 1
 */
export function mix(a, b, way) {
  return a.map((value, i) => (1 - way) * value + way * b[i]);
}

// A detector as one file, .safetensors: the coarse bank under the names of hazelnut_ae.patchcore, which load_detector
// opens, and the good pictures as PNGs, so that the page can go on learning. A bank fitted in Python opens, too.

import { readSafetensors } from "../../playground/memory_bank.js";
import { WIDTH } from "./bank.js";
import { decoded, encoded } from "./pictures.js";

const FINE = 160; // numbers of a patch in the fine bank, which this page has not: one row, from which all is 0 away

/**
 * @typedef {object} Stored
 * @property {import("../../playground/memory_bank.js").Bank} bank
 * @property {Int32Array | null} owners the good picture that each row comes from; null for a bank without pictures
 * @property {Int32Array | null} places and the patch in it
 * @property {ImageData[]} pictures
 * @property {number[]} scores of the good ones, each by a bank without itself
 * @property {(number | null)[]} novelties of the pictures, see Example
 * @property {number} typical what scores are divided by
 * @property {number | null} limit of scores; null if the file holds none
 */

/**
 * @param {Stored} stored
 * @returns {Promise<Uint8Array>}
 */
export async function write({ bank, owners, places, pictures, novelties, scores, typical, limit }) {
  const files = await Promise.all(pictures.map(encoded)), one = (value) => ({ data: Float32Array.of(value), shape: [] });
  const row = (length) => ({ data: new Float32Array(length), shape: [length] });
  const tensors = {
    "coarse.coreset": bank.coreset, "coarse.mean": bank.mean, "coarse.scale": bank.scale,
    "fine.coreset": { data: new Float32Array(FINE), shape: [1, FINE] }, "fine.mean": row(FINE), "fine.scale": row(FINE),
    factor: one(1), shift: one(0), typical: one(typical),
    "page.owners": { data: owners, shape: [owners.length] }, "page.places": { data: places, shape: [places.length] },
    "page.lengths": { data: Int32Array.from(files, (file) => file.length), shape: [files.length] },
  };
  const all = new Uint8Array(await new Blob(files).arrayBuffer());
  tensors["page.pictures"] = { data: all, shape: [all.length] };
  const detector = {
    detector: "features", backbone: "efficientnet-lite0", preset: "page", data_name: "pictures", data: "", white: 65535, seed: 0,
    side: 32, neighbourhood: 1, coarse_side: 256, candidates: 20_000, size: owners.length, blur: 1.0, halo: 128, rows: 1, columns: 1,
    novelties,
    thresholds: { tau: limit * typical, image_tau: limit, typical: 0.75 * limit * typical, held_out_scores: scores },
  };
  return writeSafetensors(tensors, { detector: JSON.stringify(detector) });
}

/**
 * @param {Uint8Array[]} files what was chosen: a .safetensors file, perhaps with the thresholds.json of its run
 * @returns {Promise<Stored>}
 * @throws {Error} with a sentence for the reader
 */
export async function read(files) {
  const { tensors, detector, run } = contents(files);
  const [kept, mean, scale] = ["coreset", "mean", "scale"].map((name) => tensors[`coarse.${name}`]);
  if (!kept || !mean || !scale || !tensors.typical) {
    throw new Error("This file holds no memory bank: take one that this page saved, or model.safetensors of a run with --detector features.");
  }
  if (mean.shape[0] !== WIDTH || tensors["coarse.coreset"].shape[0] > 20_000) {
    throw new Error("This memory bank has another network than the page: fit it with EfficientNet-Lite0.");
  }
  const stored = detector?.thresholds ?? run;
  const lengths = tensors["page.lengths"]?.data ?? [], pictures = [];
  let at = 0;
  for (const length of lengths) pictures.push(await decoded(tensors["page.pictures"].data.subarray(at, (at += length))));
  return {
    bank: { coreset: kept, mean, scale }, owners: tensors["page.owners"]?.data ?? null, places: tensors["page.places"]?.data ?? null,
    pictures, novelties: detector?.novelties ?? [], scores: stored?.held_out_scores ?? [], typical: tensors.typical.data[0], limit: stored?.image_tau ?? null,
  };
}

function contents(files) {
  let found = null, detector = null, run = null;
  for (const bytes of files) {
    try {
      if (bytes[0] === 0x7b) run = JSON.parse(new TextDecoder().decode(bytes)); // "{"
      else {
        found = readSafetensors(bytes);
        detector = JSON.parse(found.metadata.detector ?? "null");
      }
    } catch {
      throw new Error("This is no detector: take a .safetensors file that this page or hazelnut-ae train has written.");
    }
  }
  if (!found) throw new Error("Choose the .safetensors file, too: thresholds alone are no detector.");
  return { tensors: found.tensors, detector, run };
}

/**
 * @param {Record<string, { data: Float32Array | Int32Array | Uint8Array, shape: number[] }>} tensors
 * @param {Record<string, string>} metadata
 */
export function writeSafetensors(tensors, metadata) {
  const kinds = { Float32Array: "F32", Int32Array: "I32", Uint8Array: "U8" }, header = { __metadata__: metadata };
  let end = 0;
  for (const [name, { data, shape }] of Object.entries(tensors)) {
    header[name] = { dtype: kinds[data.constructor.name], shape, data_offsets: [end, (end += data.byteLength)] };
  }
  let text = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(text.length / 8) * 8, bytes = new Uint8Array(8 + padded + end).fill(0x20, 8, 8 + padded);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(text, 8);
  let at = 8 + padded;
  for (const { data } of Object.values(tensors)) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}

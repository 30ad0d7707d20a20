// Files become pictures of 256 x 256 pixels as the package reads them: squeezed to a square, each pixel the mean of an
// area, so that the same file gets the same score in Python.

import { readPhoto } from "../../playground/photo.js";

const SIDE = 256;
const STRIP = 256; // rows of a photograph that are unpacked at a time

/**
 * @param {File} file
 * @returns {Promise<ImageData>} 256 x 256
 * @throws {Error} whose message is for the reader
 */
export async function readPicture(file) {
  const { bitmap } = await readPhoto(file);
  try {
    return squeezed(bitmap);
  } finally {
    bitmap.close();
  }
}

/**
 * The files that somebody drops, those in dropped folders, too.
 * @param {DataTransfer} transfer
 * @returns {Promise<File[]>}
 */
export async function droppedFiles(transfer) {
  const items = [...transfer.items].filter(({ kind }) => kind === "file"); // read at once: a drop forgets them soon
  const given = items.map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
  const found = await Promise.all(given.map(({ entry, file }) => (entry?.isDirectory ? filesIn(entry) : [file])));
  return found.flat();
}

async function filesIn(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader(), entries = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // at most 100 at a time
    if (!some.length) break;
    entries.push(...some);
  }
  entries.sort((a, b) => a.name.localeCompare(b.name));
  return (await Promise.all(entries.map(filesIn))).flat();
}

/**
 * The bytes of a picture file of this page as a picture.
 * @param {Uint8Array} bytes
 */
export async function decoded(bytes) {
  const bitmap = await createImageBitmap(new Blob([bytes]), { colorSpaceConversion: "none" });
  return squeezed(bitmap);
}

/**
 * A picture as a PNG, which loses nothing.
 * @param {ImageData} picture
 */
export async function encoded(picture) {
  const context = contextOf(SIDE, SIDE);
  context.putImageData(picture, 0, 0);
  return new Uint8Array(await (await context.canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
}

/** @param {ImageBitmap} bitmap */
function squeezed(bitmap) {
  const { width, height } = bitmap;
  if (width < SIDE || height < SIDE || (width === SIDE && height === SIDE)) {
    const context = contextOf(SIDE, SIDE);
    context.fillRect(0, 0, SIDE, SIDE); // transparent becomes black, as in the package
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, SIDE, SIDE);
    return context.getImageData(0, 0, SIDE, SIDE);
  }
  const context = contextOf(width, STRIP), narrow = new Uint8ClampedArray(height * SIDE * 4);
  for (let top = 0; top < height; top += STRIP) {
    const rows = Math.min(STRIP, height - top);
    context.fillRect(0, 0, width, STRIP);
    context.drawImage(bitmap, 0, top, width, rows, 0, 0, width, rows);
    narrow.set(narrowed(context.getImageData(0, 0, width, rows).data, width, rows), top * SIDE * 4);
  }
  const turned = transposed(narrow, SIDE, height); // rows become columns, so the same function shortens them
  return new ImageData(transposed(narrowed(turned, height, SIDE), SIDE, SIDE), SIDE);
}

/**
 * RGBA of which each row is averaged to 256 pixels, with whole pixels only, as Pillow's BOX does.
 * @param {Uint8ClampedArray} rgba
 * @param {number} width
 * @param {number} height
 */
export function narrowed(rgba, width, height) {
  const result = new Uint8ClampedArray(height * SIDE * 4), step = width / SIDE;
  for (let x = 0; x < SIDE; x++) {
    const middle = (x + 0.5) * step, from = Math.floor(middle - step / 2 + 0.5), to = Math.floor(middle + step / 2 + 0.5);
    for (let y = 0; y < height; y++) {
      let red = 0, green = 0, blue = 0;
      for (let i = 4 * (y * width + from), end = 4 * (y * width + to); i < end; i += 4) {
        red += rgba[i];
        green += rgba[i + 1];
        blue += rgba[i + 2];
      }
      const at = 4 * (y * SIDE + x), count = to - from;
      result[at] = Math.floor(red / count + 0.5);
      result[at + 1] = Math.floor(green / count + 0.5);
      result[at + 2] = Math.floor(blue / count + 0.5);
      result[at + 3] = 255;
    }
  }
  return result;
}

function transposed(rgba, width, height) {
  const from = new Uint32Array(rgba.buffer), to = new Uint32Array(width * height);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) to[x * height + y] = from[y * width + x];
  return new Uint8ClampedArray(to.buffer);
}

function contextOf(width, height) {
  return new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
}

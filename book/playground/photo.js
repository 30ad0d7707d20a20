// A file that somebody drops becomes a picture of 256 x 256 pixels, or a sentence that says why not.

import { SIZE } from "./measure.js";

const MOST_BYTES = 60e6;
const MOST_PIXELS = 50e6;

/**
 * @param {File} file
 * @returns {Promise<{ bitmap: ImageBitmap, note: string }>} the note says what became of the picture
 * @throws {Error} whose message is for the reader
 */
export async function readPhoto(file) {
  if (file.size > MOST_BYTES) {
    throw new Error(`${file.name} has ${Math.round(file.size / 1e6)} MB; take a picture of at most ${MOST_BYTES / 1e6} MB.`);
  }
  const head = new Uint8Array(await file.slice(0, 400_000).arrayBuffer());
  const { width, height, bits } = pngHeader(head) || jpegHeader(head) || {};
  if (width * height > MOST_PIXELS) {
    throw new Error(`${file.name} is ${width} × ${height} pixels; make it smaller than ${MOST_PIXELS / 1e6} million first.`);
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} is no picture that this browser can read; take a PNG or a JPEG.`);
  }
  const cropped = bitmap.width === bitmap.height ? "" : " cropped to its middle square and";
  const note = `${file.name} (${bitmap.width} × ${bitmap.height} pixels) is${cropped} resized to 256 × 256.`;
  return { bitmap, note: bits === 16 ? `${note} Of its 16 bits for each colour the browser keeps 8.` : note };
}

// Width, height and bits per colour of a PNG, read before anything is unpacked; null for another file
function pngHeader(bytes) {
  if (bytes.length < 26 || String.fromCharCode(...bytes.slice(1, 4)) !== "PNG") return null;
  const view = new DataView(bytes.buffer);
  return { width: view.getUint32(16), height: view.getUint32(20), bits: bytes[24] };
}

// The same of a JPEG, from its frame header
function jpegHeader(bytes) {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return null;
  const view = new DataView(bytes.buffer);
  for (let at = 2; at + 9 < bytes.length; ) {
    const marker = bytes[at + 1];
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { width: view.getUint16(at + 7), height: view.getUint16(at + 5), bits: bytes[at + 4] };
    at += 2 + view.getUint16(at + 2);
  }
  return null;
}

/**
 * Draws a bitmap's middle square onto a context of 256 x 256 pixels. Halving it step by step averages areas, as the
 * package does.
 * @param {OffscreenCanvasRenderingContext2D} context
 * @param {ImageBitmap} bitmap
 */
export function drawSmall(context, bitmap) {
  let side = Math.min(bitmap.width, bitmap.height);
  let source = bitmap, x = (bitmap.width - side) >> 1, y = (bitmap.height - side) >> 1;
  while (side > 2 * SIZE) {
    const next = new OffscreenCanvas(Math.max(SIZE, side >> 1), Math.max(SIZE, side >> 1));
    const onto = next.getContext("2d");
    onto.imageSmoothingQuality = "high";
    onto.drawImage(source, x, y, side, side, 0, 0, next.width, next.height);
    [source, side, x, y] = [next, next.width, 0, 0];
  }
  context.imageSmoothingQuality = "high";
  context.drawImage(source, x, y, side, side, 0, 0, SIZE, SIZE);
}

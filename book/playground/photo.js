// A file that somebody drops becomes a picture of 256 x 256 pixels, or a sentence that says why not.

const MOST_BYTES = 60e6;
const MOST_PIXELS = 50e6;

// Returns { bitmap, note }; throws an Error whose message is for the reader.
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
  const size = `${bitmap.width} × ${bitmap.height}`;
  const squeezed = `${file.name} (${size} pixels) is squeezed to 256 × 256, as the network's own pictures are.`;
  const note = bits === 16 ? `${squeezed} It has 16 bits for each colour; the browser keeps 8 of them.` : squeezed;
  return { bitmap, note };
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

// Draws a bitmap onto a context of 256 x 256 pixels. Halving it step by step averages areas, as the package does.
export function drawSmall(context, bitmap) {
  let source = bitmap, width = bitmap.width, height = bitmap.height;
  while (width > 512 || height > 512) {
    const next = new OffscreenCanvas(Math.max(256, width >> 1), Math.max(256, height >> 1));
    const onto = next.getContext("2d");
    onto.imageSmoothingQuality = "high";
    onto.drawImage(source, 0, 0, next.width, next.height);
    [source, width, height] = [next, next.width, next.height];
  }
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, 256, 256);
}

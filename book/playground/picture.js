// Four panels, the verdict and the address as one picture to keep or to send.

const SIDE = 384, GAP = 16, LINE = 26;

/**
 * @param {{ canvas: HTMLCanvasElement, words: string }[]} panels
 * @param {string[]} lines below them
 * @returns {Promise<Blob>} a PNG
 */
export async function pictureOf(panels, lines) {
  const width = panels.length * (SIDE + GAP) + GAP;
  const context = new OffscreenCanvas(width, 1).getContext("2d");
  context.font = font("");
  const wrapped = lines.flatMap((line) => wrap(context, line, width - 2 * GAP));
  context.canvas.height = SIDE + 2 * GAP + LINE * (wrapped.length + 1) + GAP;
  context.fillStyle = "#161616";
  context.fillRect(0, 0, width, context.canvas.height);
  context.fillStyle = "#ececec";
  context.imageSmoothingQuality = "high";
  panels.forEach(({ canvas, words }, i) => {
    const x = GAP + i * (SIDE + GAP);
    context.drawImage(canvas, x, GAP, SIDE, SIDE);
    context.font = font("bold");
    context.fillText(words, x, GAP + SIDE + LINE - 4);
  });
  context.font = font("");
  wrapped.forEach((line, i) => context.fillText(line, GAP, SIDE + 2 * GAP + LINE * (i + 2) - 8));
  return context.canvas.convertToBlob({ type: "image/png" });
}

/**
 * Hands a file to the browser's downloads.
 * @param {Blob} blob
 * @param {string} name
 */
export function download(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function font(weight) { return `${weight} 18px system-ui, sans-serif`; }

// A line as several that fit: addresses have no spaces, so any sign may end one.
function wrap(context, line, width) {
  const lines = [""];
  for (const sign of line) {
    if (context.measureText(lines.at(-1) + sign).width > width) lines.push("");
    lines[lines.length - 1] += sign;
  }
  return lines;
}

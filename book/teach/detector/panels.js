// What explains a verdict: crops of two patches, the scores of good pictures, the growth of the bank.

const STRIDE = 8; // pixels from patch to patch; the first is centred on pixel 0
const GRID = 32;
const CROP = 64;

/** The patch at a place of the picture, in pixels. */
export function patchAt(x, y) {
  const nearest = (pixel) => Math.min(GRID - 1, Math.max(0, Math.round(pixel / STRIDE)));
  return nearest(y) * GRID + nearest(x);
}

/** The middle of a patch, in pixels. */
export function middleOf(patch) { return { x: STRIDE * (patch % GRID), y: STRIDE * Math.floor(patch / GRID) }; }

/** @param {Float32Array} distances */
export function farthest(distances) { return distances.reduce((best, value, i) => (value > distances[best] ? i : best), 0); }

/**
 * @param {HTMLCanvasElement} canvas 64 x 64
 * @param {ImageData} picture
 * @param {number} patch
 */
export function showCrop(canvas, picture, patch) {
  const { x, y } = middleOf(patch), context = canvas.getContext("2d");
  context.clearRect(0, 0, CROP, CROP);
  context.putImageData(picture, CROP / 2 - x, CROP / 2 - y);
}

/**
 * A whole picture with a square around a patch.
 * @param {HTMLCanvasElement} canvas 256 x 256
 * @param {ImageData} picture
 * @param {number} patch
 */
export function showPlace(canvas, picture, patch) {
  const { x, y } = middleOf(patch), context = canvas.getContext("2d");
  context.putImageData(picture, 0, 0);
  for (const [width, colour] of [[8, "#000"], [4, "#fff"]]) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.strokeRect(x - CROP / 4, y - CROP / 4, CROP / 2, CROP / 2);
  }
}

/**
 * A dot for each good picture, the limit as a dashed line, the judged picture as a triangle.
 * @param {HTMLCanvasElement} canvas
 * @param {number[]} held scores of good pictures
 * @param {number | null} limit
 * @param {number | null} score of the judged picture
 */
export function showScores(canvas, held, limit, score) {
  const { context, width, height, unit, colour } = prepared(canvas);
  const most = Math.max(2, ...held, score ?? 0) * 1.05, bottom = height - 20 * unit, x = (value) => (value / most) * width;
  const stacks = new Map(), radius = 4.5 * unit;
  context.fillStyle = colour("--good");
  for (const value of held) {
    const column = Math.round(x(value) / (2.2 * radius)), level = stacks.get(column) ?? 0;
    stacks.set(column, level + 1);
    context.beginPath();
    context.arc(x(value), bottom - radius - 2.2 * radius * level, radius, 0, 7);
    context.fill();
  }
  axis(context, colour("--ink"), x, most, bottom, width, unit);
  if (limit !== null) {
    context.setLineDash([6 * unit, 4 * unit]);
    line(context, x(limit), 14 * unit, x(limit), bottom);
    context.setLineDash([]);
    context.textAlign = x(limit) > width / 2 ? "right" : "left";
    context.fillText("limit", x(limit) + (x(limit) > width / 2 ? -4 : 4) * unit, 22 * unit);
  }
  if (score === null) return;
  context.fillStyle = limit !== null && score > limit ? colour("--defective") : colour("--link");
  context.beginPath();
  context.moveTo(x(score), bottom - 4 * unit);
  context.lineTo(x(score) - 8 * unit, bottom - 22 * unit);
  context.lineTo(x(score) + 8 * unit, bottom - 22 * unit);
  context.fill();
  context.textAlign = x(score) > width - 60 * unit ? "right" : x(score) < 60 * unit ? "left" : "center";
  context.fillText("this picture", x(score), bottom - 27 * unit);
}

/**
 * A bar for each good picture: how unlike the bank it was when it came, in scores.
 * @param {HTMLCanvasElement} canvas
 * @param {(number | null)[]} novelties null where there was no bank yet
 */
export function showGrowth(canvas, novelties) {
  const { context, width, height, unit, colour } = prepared(canvas), bottom = height - 4 * unit;
  const most = Math.max(2, ...novelties.map((value) => value ?? 0)), step = Math.min(width / Math.max(novelties.length, 10), 40 * unit);
  novelties.forEach((value, i) => {
    context.fillStyle = colour(value === null ? "--line" : "--link");
    const tall = value === null ? 2 * unit : (value / most) * (bottom - 4 * unit);
    context.fillRect(i * step + 1, bottom - tall, step - 3 * unit, tall);
  });
  context.strokeStyle = colour("--ink");
  line(context, 0, bottom, width, bottom);
}

function axis(context, ink, x, most, bottom, width, unit) {
  context.fillStyle = context.strokeStyle = ink;
  context.lineWidth = unit;
  context.font = `${12 * unit}px system-ui, sans-serif`;
  context.textAlign = "center";
  line(context, 0, bottom, width, bottom);
  const step = [0.5, 1, 2, 5, 10, 20, 50].find((one) => most / one <= 8) ?? 100;
  for (let value = step; value < most * 0.97; value += step) context.fillText(String(value), x(value), bottom + 15 * unit);
}

function line(context, ...[x1, y1, x2, y2]) {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

function prepared(canvas) {
  const unit = devicePixelRatio || 1, width = (canvas.width = canvas.clientWidth * unit), height = (canvas.height = canvas.clientHeight * unit);
  const style = getComputedStyle(canvas);
  return { context: canvas.getContext("2d"), width, height, unit, colour: (name) => style.getPropertyValue(name).trim() };
}

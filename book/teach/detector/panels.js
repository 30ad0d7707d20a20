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
  const { context, width, height, unit, colour } = prepared(canvas), values = [...held, score ?? 1, limit ?? 1];
  const least = 0.9 * Math.min(0.9, ...values), most = 1.1 * Math.max(1.4, ...values), bottom = height - 20 * unit;
  const x = (value) => ((value - least) / (most - least)) * width;
  const stacks = new Map(), radius = (held.length > 40 ? 3 : 4.5) * unit;
  context.fillStyle = colour("--good");
  for (const value of held) {
    const column = Math.round(x(value) / (2.2 * radius)), level = stacks.get(column) ?? 0;
    stacks.set(column, level + 1);
    context.beginPath();
    context.arc(x(value), bottom - radius - 2.2 * radius * level, radius, 0, 7);
    context.fill();
  }
  axis(context, colour("--ink"), x, least, most, bottom, width, unit);
  if (limit !== null) {
    context.setLineDash([6 * unit, 4 * unit]);
    line(context, x(limit), 22 * unit, x(limit), bottom);
    context.setLineDash([]);
    label("limit", x(limit), 30 * unit, x(limit) > width / 2);
  }
  if (score === null) return;
  context.fillStyle = context.strokeStyle = colour(limit !== null && score > limit ? "--defective" : "--link");
  context.lineWidth = 2 * unit;
  line(context, x(score), 4 * unit, x(score), bottom - 12 * unit);
  context.beginPath();
  context.moveTo(x(score), bottom);
  context.lineTo(x(score) - 7 * unit, bottom - 14 * unit);
  context.lineTo(x(score) + 7 * unit, bottom - 14 * unit);
  context.fill();
  label("this picture", x(score), 12 * unit, x(score) > width / 2);

  function label(words, at, y, before) {
    context.textAlign = before ? "right" : "left";
    context.fillText(words, at + (before ? -5 : 5) * unit, y);
  }
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

function axis(context, ink, x, least, most, bottom, width, unit) {
  context.fillStyle = context.strokeStyle = ink;
  context.lineWidth = unit;
  context.font = `${12 * unit}px system-ui, sans-serif`;
  context.textAlign = "center";
  line(context, 0, bottom, width, bottom);
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20].find((one) => (most - least) / one <= 8) ?? 50;
  for (let i = Math.ceil(least / step); i * step < most - 0.2 * step; i++) {
    context.fillText(String(Math.round(100 * i * step) / 100), x(i * step), bottom + 15 * unit);
  }
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

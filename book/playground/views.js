// What the page shows on canvases, in the colours of hazelnut_ae/figures.py (they come with data.json).

import { PIXELS, SIZE, histograms } from "./measure.js";

const BINS = 80;
const HIGHEST = 0.8; // the slider's end, and the histogram's
const FLOOR = 1e-5; // the least share that the histogram shows

/** @typedef {{ from: number, to: number }} Scale the values that heat draws darkest and brightest */

/**
 * Shows an image.
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array} planes [3 * 256 * 256] in [0, 1]
 */
export function showPlanes(canvas, planes) {
  paint(canvas, (rgba) => {
    for (let i = 0; i < PIXELS; i++) {
      rgba[4 * i] = 255 * planes[i];
      rgba[4 * i + 1] = 255 * planes[PIXELS + i];
      rgba[4 * i + 2] = 255 * planes[2 * PIXELS + i];
      rgba[4 * i + 3] = 255;
    }
  });
}

/**
 * Shows a map as heat over the grey image, as figures.overlay; without an image, as heat to lay over one.
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array | null} image
 * @param {Float32Array} map
 * @param {number[][]} heat 256 colours
 * @param {Scale} scale
 */
export function showHeat(canvas, image, map, heat, { from, to }) {
  paint(canvas, (rgba) => {
    for (let i = 0; i < PIXELS; i++) {
      const strength = Math.min(Math.max((map[i] - from) / (to - from), 0), 1), hot = heat[Math.round(255 * strength)];
      const part = Math.min(2 * strength, 0.9), cold = image ? (1 - part) * 0.7 * 255 * grey(image, i) : 0;
      const weight = image ? part : 1;
      rgba[4 * i] = cold + weight * hot[0];
      rgba[4 * i + 1] = cold + weight * hot[1];
      rgba[4 * i + 2] = cold + weight * hot[2];
      rgba[4 * i + 3] = image ? 255 : 255 * part;
    }
  });
}

/**
 * Shows marked pixels in orange and the outline of the mask in white with a dark edge, as figures.marked; without an
 * image, to lay over one.
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array | null} image
 * @param {Float32Array} map
 * @param {import("./measure.js").Mask} mask
 * @param {number} tau
 * @param {{ found: number[], truth: number[] }} colours
 */
export function showMarked(canvas, image, map, mask, tau, colours) {
  const near = grown(mask, 2), around = grown(near, 1), black = [0, 0, 0];
  paint(canvas, (rgba) => {
    for (let i = 0; i < PIXELS; i++) {
      const colour = near[i] && !mask[i] ? colours.truth : around[i] && !mask[i] ? black : map[i] > tau ? colours.found : null;
      const g = image && !colour ? 0.75 * 255 * grey(image, i) : 0;
      rgba[4 * i] = colour ? colour[0] : g;
      rgba[4 * i + 1] = colour ? colour[1] : g;
      rgba[4 * i + 2] = colour ? colour[2] : g;
      rgba[4 * i + 3] = image || colour ? 255 : 0;
    }
  });
}

/** @param {HTMLCanvasElement} canvas */
export function showNothing(canvas) {
  canvas.getContext("2d").clearRect(0, 0, SIZE, SIZE);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array} map
 * @param {import("./measure.js").Mask} mask
 * @param {number} tau
 */
export function showHistogram(canvas, map, mask, tau) {
  const width = (canvas.width = canvas.clientWidth * devicePixelRatio || 900);
  const height = (canvas.height = canvas.clientHeight * devicePixelRatio || 200);
  const scale = devicePixelRatio || 1, context = canvas.getContext("2d"), style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(name).trim();
  const bottom = height - 18 * scale, shown = Math.round(BINS / HIGHEST); // bins up to a residual of 1
  const x = (value) => (value / HIGHEST) * width;
  const y = (share) => bottom * (1 - Math.max(0, 1 - Math.log(Math.max(share, FLOOR)) / Math.log(FLOOR)));
  const { good, defective } = histograms(map, mask, shown);
  context.clearRect(0, 0, width, height);
  steps(good, colour("--good"), true);
  if (mask.includes(1)) steps(defective, colour("--defective"), false);
  context.fillStyle = context.strokeStyle = colour("--ink");
  context.font = `${12 * scale}px system-ui, sans-serif`;
  context.textAlign = "center";
  for (let value = 0.1; value < HIGHEST - 0.05; value += 0.1) context.fillText(value.toFixed(1), x(value), height - 4 * scale);
  context.lineWidth = 2 * scale;
  context.setLineDash([6 * scale, 4 * scale]);
  context.beginPath();
  context.moveTo(x(tau), 0);
  context.lineTo(x(tau), bottom);
  context.stroke();
  context.setLineDash([]);

  function steps(shares, ink, filled) {
    context.beginPath();
    context.moveTo(0, bottom);
    for (let bin = 0; bin < BINS; bin++) {
      context.lineTo(x((bin / BINS) * HIGHEST), y(shares[bin]));
      context.lineTo(x(((bin + 1) / BINS) * HIGHEST), y(shares[bin]));
    }
    context.lineTo(width, bottom);
    context.fillStyle = context.strokeStyle = ink;
    context.globalAlpha = filled ? 0.55 : 0.25;
    context.fill();
    context.globalAlpha = 1;
    context.lineWidth = (filled ? 1 : 2.5) * scale;
    context.stroke();
  }
}

function paint(canvas, fill) {
  const context = canvas.getContext("2d"), picture = context.createImageData(SIZE, SIZE);
  fill(picture.data);
  context.putImageData(picture, 0, 0);
}

function grey(planes, i) { return (planes[i] + planes[PIXELS + i] + planes[2 * PIXELS + i]) / 3; }

// The mask grown by `times` pixels up, down, left and right (scipy's binary_dilation)
function grown(mask, times) {
  let now = mask;
  for (let time = 0; time < times; time++) {
    const next = Uint8Array.from(now);
    for (let i = 0; i < PIXELS; i++) {
      if (!now[i]) continue;
      const column = i % SIZE;
      if (column > 0) next[i - 1] = 1;
      if (column < SIZE - 1) next[i + 1] = 1;
      if (i >= SIZE) next[i - SIZE] = 1;
      if (i < PIXELS - SIZE) next[i + SIZE] = 1;
    }
    now = next;
  }
  return now;
}

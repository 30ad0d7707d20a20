// What the page shows on canvases, in the colours of hazelnut_ae/figures.py (they come with data.json).

import { PIXELS, histograms } from "./measure.js";

const BINS = 80;
const HIGHEST = 0.8; // the slider's end, and the histogram's
const FLOOR = 1e-5; // the least share that the histogram shows

// Planes [3 * 256 * 256] in [0, 1]
export function showPlanes(canvas, planes) {
  paint(canvas, (i) => [255 * planes[i], 255 * planes[PIXELS + i], 255 * planes[2 * PIXELS + i]]);
}

// The map as heat over the grey picture, as figures.overlay
export function showHeat(canvas, image, map, heat, top) {
  paint(canvas, (i) => {
    const strength = Math.min(map[i] / top, 1), hot = heat[Math.round(255 * strength)];
    const part = Math.min(2 * strength, 0.9), cold = (1 - part) * 0.7 * 255 * grey(image, i);
    return hot.map((colour) => cold + part * colour);
  });
}

// Marked pixels in orange, the outline of the mask in white with a dark edge, as figures.marked
export function showMarked(canvas, image, map, mask, tau, colours) {
  const near = grown(mask, 2), around = grown(near, 1);
  paint(canvas, (i) => {
    if (near[i] && !mask[i]) return colours.truth;
    if (around[i] && !mask[i]) return [0, 0, 0];
    if (map[i] > tau) return colours.found;
    const g = 0.75 * 255 * grey(image, i);
    return [g, g, g];
  });
}

export function showHistogram(canvas, map, mask, tau, drawn) {
  const width = (canvas.width = canvas.clientWidth * devicePixelRatio || 900);
  const height = (canvas.height = canvas.clientHeight * devicePixelRatio || 200);
  const scale = devicePixelRatio || 1, context = canvas.getContext("2d"), style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(name).trim();
  const bottom = height - 18 * scale, shown = Math.round(BINS / HIGHEST); // bins up to a residual of 1
  const x = (value) => (value / HIGHEST) * width;
  const y = (share) => bottom * (1 - Math.max(0, 1 - Math.log(Math.max(share, FLOOR)) / Math.log(FLOOR)));
  const { good, drawn: spoilt } = histograms(map, mask, shown);
  context.clearRect(0, 0, width, height);
  steps(good, colour("--good"), true);
  if (drawn) steps(spoilt, colour("--defective"), false);
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

function paint(canvas, colourOf) {
  const context = canvas.getContext("2d"), picture = context.createImageData(256, 256);
  for (let i = 0; i < PIXELS; i++) {
    const [r, g, b] = colourOf(i);
    picture.data.set([r, g, b, 255], 4 * i);
  }
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
      const column = i % 256;
      if (column > 0) next[i - 1] = 1;
      if (column < 255) next[i + 1] = 1;
      if (i >= 256) next[i - 256] = 1;
      if (i < PIXELS - 256) next[i + 256] = 1;
    }
    now = next;
  }
  return now;
}

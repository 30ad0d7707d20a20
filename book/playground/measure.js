// The page's own arithmetic, as in hazelnut_ae/detection.py and hazelnut_ae/metrics.py.

export const PIXELS = 256 * 256;

// RGBA bytes of a canvas -> Float32Array [3 * 256 * 256] in [0, 1], colour after colour
export function toPlanes(rgba) {
  const planes = new Float32Array(3 * PIXELS);
  for (let i = 0; i < PIXELS; i++)
    for (let colour = 0; colour < 3; colour++) planes[colour * PIXELS + i] = rgba[4 * i + colour] / 255;
  return planes;
}

// |x - copy|, the largest of the three colours: Float32Array [256 * 256]
export function residual(image, copy) {
  const map = new Float32Array(PIXELS);
  for (let i = 0; i < 3 * PIXELS; i++) {
    const difference = Math.abs(image[i] - copy[i]);
    if (difference > map[i % PIXELS]) map[i % PIXELS] = difference;
  }
  return map;
}

// What is marked at tau against the mask (Uint8Array, 1 = drawn). A quotient without a denominator is null.
export function counts(map, mask, tau) {
  let tp = 0, fp = 0, fn = 0;
  for (let i = 0; i < PIXELS; i++) {
    const marked = map[i] > tau;
    if (marked && mask[i]) tp++;
    else if (marked) fp++;
    else if (mask[i]) fn++;
  }
  const ratio = (part, whole) => (whole ? part / whole : null);
  const drawn = tp + fn;
  return {
    tp, fp, fn, drawn, marked: tp + fp,
    precision: drawn ? ratio(tp, tp + fp) : null,
    recall: ratio(tp, drawn),
    f1: drawn ? ratio(2 * tp, 2 * tp + fp + fn) : null,
  };
}

// Shares of good and of drawn pixels in bins of the residual, 0 to 1: two Float64Array [bins]
export function histograms(map, mask, bins) {
  const good = new Float64Array(bins), drawn = new Float64Array(bins);
  let total = 0;
  for (let i = 0; i < PIXELS; i++) {
    const bin = Math.min(bins - 1, Math.floor(map[i] * bins));
    if (mask[i]) { drawn[bin]++; total++; } else good[bin]++;
  }
  for (let bin = 0; bin < bins; bin++) {
    good[bin] /= Math.max(PIXELS - total, 1);
    drawn[bin] /= Math.max(total, 1);
  }
  return { good, drawn };
}

// The mean of the `largest` highest values of a map, as in metrics.image_scores
export function imageScore(map, largest) {
  const top = Float32Array.from(map).sort().subarray(PIXELS - largest);
  return top.reduce((a, b) => a + b, 0) / largest;
}

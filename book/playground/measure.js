// The page's own arithmetic, as in hazelnut_ae/detection.py and hazelnut_ae/metrics.py.

export const SIZE = 256;
export const PIXELS = SIZE * SIZE;
const VISIBLE = 8; // of 255: a pixel that changed no more than that is not drawn (synthetic_anomalies.VISIBLE)
const BACKGROUND = 30; // of 255: the ground differs less than that from the border's colour (synthetic_anomalies.BACKGROUND)

/** @typedef {Uint8Array} Mask [256 * 256], 1 where it holds */

/**
 * RGBA bytes of a canvas as an image, colour after colour
 * @param {Uint8ClampedArray} rgba
 * @returns {Float32Array} [3 * 256 * 256] in [0, 1]
 */
export function toPlanes(rgba) {
  const planes = new Float32Array(3 * PIXELS);
  for (let i = 0; i < PIXELS; i++) {
    planes[i] = rgba[4 * i] / 255;
    planes[PIXELS + i] = rgba[4 * i + 1] / 255;
    planes[2 * PIXELS + i] = rgba[4 * i + 2] / 255;
  }
  return planes;
}

/**
 * |a - b|, the largest of the three colours
 * @param {Float32Array} a [3 * 256 * 256]
 * @param {Float32Array} b
 * @returns {Float32Array} [256 * 256]
 */
export function residual(a, b) {
  const map = new Float32Array(PIXELS);
  for (let start = 0; start < 3 * PIXELS; start += PIXELS) {
    for (let i = 0; i < PIXELS; i++) {
      const difference = Math.abs(a[start + i] - b[start + i]);
      if (difference > map[i]) map[i] = difference;
    }
  }
  return map;
}

/**
 * Where a picture visibly differs from the one before anything was drawn
 * @param {Float32Array} change their `residual`
 * @returns {Mask}
 */
export function visible(change) {
  const mask = new Uint8Array(PIXELS), least = (VISIBLE + 0.01) / 255;
  for (let i = 0; i < PIXELS; i++) mask[i] = change[i] > least ? 1 : 0;
  return mask;
}

/**
 * The part in a picture: pixels unlike the border, or all of them if these are few (synthetic_anomalies.object_mask)
 * @param {Float32Array} planes
 * @returns {Mask}
 */
export function objectMask(planes) {
  const mask = new Uint8Array(PIXELS);
  for (let colour = 0; colour < 3; colour++) {
    const border = [];
    for (let i = 0; i < PIXELS; i++) {
      const x = i % SIZE, y = (i - x) / SIZE;
      if (Math.min(x, y, SIZE - 1 - x, SIZE - 1 - y) < 8) border.push(planes[colour * PIXELS + i]);
    }
    const ground = border.sort((a, b) => a - b)[border.length >> 1];
    for (let i = 0; i < PIXELS; i++) if (255 * Math.abs(planes[colour * PIXELS + i] - ground) > BACKGROUND) mask[i] = 1;
  }
  return count(mask) > 0.05 * PIXELS ? mask : mask.fill(1);
}

/** @param {Mask} mask */
export function count(mask) {
  let sum = 0;
  for (let i = 0; i < mask.length; i++) sum += mask[i];
  return sum;
}

/**
 * What is marked at τ against the mask. A quotient without a denominator is null.
 * @param {Float32Array} map
 * @param {Mask} mask
 * @param {number} tau
 */
export function counts(map, mask, tau) {
  let tp = 0, fp = 0, fn = 0;
  for (let i = 0; i < PIXELS; i++) {
    const marked = map[i] > tau;
    if (marked && mask[i]) tp++;
    else if (marked) fp++;
    else if (mask[i]) fn++;
  }
  const ratio = (part, whole) => (whole ? part / whole : null);
  const defective = tp + fn;
  return {
    tp, fp, fn, defective, marked: tp + fp,
    precision: defective ? ratio(tp, tp + fp) : null,
    recall: ratio(tp, defective),
    f1: defective ? ratio(2 * tp, 2 * tp + fp + fn) : null,
  };
}

/**
 * Shares of good and of defective pixels in bins of the residual, 0 to 1
 * @param {Float32Array} map
 * @param {Mask} mask
 * @param {number} bins
 */
export function histograms(map, mask, bins) {
  const good = new Float64Array(bins), defective = new Float64Array(bins), total = count(mask);
  for (let i = 0; i < PIXELS; i++) (mask[i] ? defective : good)[Math.min(bins - 1, Math.floor(map[i] * bins))]++;
  for (let bin = 0; bin < bins; bin++) {
    good[bin] /= Math.max(PIXELS - total, 1);
    defective[bin] /= Math.max(total, 1);
  }
  return { good, defective };
}

/**
 * The mean of the `largest` highest values of a map ≥ 0, as metrics.image_scores
 * @param {Float32Array} map of any length
 * @param {number} largest
 */
export function imageScore(map, largest) {
  // Sorts only what lies in the highest bins: sorting 65,536 values takes longer than all the rest of an update.
  const bins = 1024, filled = new Uint32Array(bins + 1), most = map.reduce((a, b) => Math.max(a, b), 0) || 1;
  for (let i = 0; i < map.length; i++) filled[Math.floor((map[i] / most) * bins)]++;
  let bin = bins, above = filled[bins];
  while (above < largest && bin > 0) above += filled[--bin];
  const top = map.filter((value) => Math.floor((value / most) * bins) >= bin).sort().subarray(-largest);
  return top.reduce((a, b) => a + b, 0) / largest;
}

/**
 * The middle value of a map where a mask holds; null where it holds nowhere
 * @param {Float32Array} map
 * @param {Mask} mask
 */
export function medianWhere(map, mask) {
  const values = map.filter((_, i) => mask[i]).sort();
  return values.length ? values[values.length >> 1] : null;
}

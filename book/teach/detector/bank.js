// The memory bank's own arithmetic, as in hazelnut_ae/patchcore.py: scales, random projection, greedy coreset; and the
// threshold of image scores, as in hazelnut_ae/thresholds.py. Needs no browser.

export const PLACES = 1024; // patches of an image, 32 x 32
export const WIDTHS = [40, 112]; // channels of the two stages that the coarse bank uses
export const WIDTH = 152; // their sum
export const ROWS = 1000; // patches in the bank
export const CANDIDATES = 20_000; // patches of good pictures from which these are chosen
const PROJECTED = 32; // dimensions in which the coreset is chosen
const RATE = 0.1; // of good pictures that may be called defective

/**
 * The places of an image in an order that looks random and is always the same for the same number.
 * @param {number} number
 * @returns {Uint16Array} [1024]
 */
export function shuffledPlaces(number) {
  const places = Uint16Array.from({ length: PLACES }, (_, i) => i);
  let state = (number + 1) * 0x9e3779b9;
  for (let i = PLACES - 1; i > 0; i--) {
    state = Math.imul(state ^ (state >>> 16), 0x21f0aaad) + 0x6d2b79f5; // a mixing step as in splitmix
    const other = ((state ^ (state >>> 15)) >>> 0) % (i + 1);
    [places[i], places[other]] = [places[other], places[i]];
  }
  return places;
}

/**
 * The mean of each column, and what scales each stage to variance 1 in total.
 * @param {Float32Array} features [M * D]
 * @param {number[]} widths of the stages; D is their sum
 * @returns {{ mean: Float32Array, scale: Float32Array }} [D] each
 */
export function scales(features, widths = WIDTHS) {
  const width = widths.reduce((a, b) => a + b), count = features.length / width;
  const sums = new Float64Array(width), squares = new Float64Array(width), scale = new Float32Array(width);
  for (let row = 0; row < features.length; row += width) for (let i = 0; i < width; i++) sums[i] += features[row + i];
  const mean = sums.map((sum) => sum / count);
  for (let row = 0; row < features.length; row += width) {
    for (let i = 0; i < width; i++) squares[i] += (features[row + i] - mean[i]) ** 2;
  }
  let start = 0;
  for (const one of widths) {
    const variance = squares.subarray(start, start + one).reduce((a, b) => a + b, 0) / Math.max(count - 1, 1);
    scale.fill(1 / Math.sqrt(Math.max(variance, 1e-12)), start, start + one);
    start += one;
  }
  return { mean: Float32Array.from(mean), scale };
}

/**
 * Rows times a matrix.
 * @param {Float32Array} features [M * D]
 * @param {Float32Array} projection [D * 32]
 * @returns {Float32Array} [M * 32]
 */
export function project(features, projection) {
  const width = projection.length / PROJECTED, count = features.length / width, result = new Float32Array(count * PROJECTED);
  const sums = new Float64Array(PROJECTED);
  for (let row = 0; row < count; row++) {
    sums.fill(0);
    for (let i = 0; i < width; i++) {
      const value = features[row * width + i], at = i * PROJECTED;
      for (let j = 0; j < PROJECTED; j++) sums[j] += value * projection[at + j];
    }
    result.set(sums, row * PROJECTED);
  }
  return result;
}

/**
 * Chooses rows that cover all others, as patchcore.greedy_coreset: the next is always the farthest from those chosen.
 * @param {Float32Array} points [M * 32], projected features
 * @param {number} size how many; fewer are chosen if there are fewer different ones
 * @param {number} first the row to begin with
 * @returns {{ rows: Int32Array, radius: number }} and how far the farthest other row is from the nearest chosen one
 */
export function greedyCoreset(points, size, first = 0) {
  const count = points.length / PROJECTED, rows = [];
  const gaps = new Float32Array(count).fill(Infinity), nearest = new Int32Array(count); // squared distance to rows[nearest]
  const apart = new Float32Array(size); // squared distances of the newest row to the rows before it
  let farthest = first;
  while (rows.length < size && gaps[farthest] > 0) {
    const newest = points.slice(farthest * PROJECTED, (farthest + 1) * PROJECTED), number = rows.length;
    rows.forEach((row, i) => (apart[i] = squaredDistance(points, row * PROJECTED, newest)));
    rows.push(farthest);
    let most = -1, next = farthest;
    for (let row = 0; row < count; row++) {
      // Twice as far from a point's nearest row as the point is: by the triangle inequality the newest is no nearer.
      if (number === 0 || apart[nearest[row]] < 4 * gaps[row]) {
        const squared = squaredDistance(points, row * PROJECTED, newest);
        if (squared < gaps[row]) {
          gaps[row] = squared;
          nearest[row] = number;
        }
      }
      if (gaps[row] > most) {
        most = gaps[row];
        next = row;
      }
    }
    farthest = next;
  }
  return { rows: Int32Array.from(rows), radius: Math.sqrt(gaps[farthest] || 0) };
}

function squaredDistance(points, at, other) {
  let sum = 0;
  for (let j = 0; j < PROJECTED; j += 4) {
    const a = points[at + j] - other[j], b = points[at + j + 1] - other[j + 1];
    const c = points[at + j + 2] - other[j + 2], d = points[at + j + 3] - other[j + 3];
    sum += a * a + b * b + (c * c + d * d);
  }
  return sum;
}

/**
 * Fits the bank to candidate patches of good pictures.
 * @param {Float32Array} features [M * 152]
 * @param {Float32Array} projection [152 * 32]
 * @param {number} size rows of the bank
 * @param {number} first the row with which the coreset begins
 */
export function fitBank(features, projection, size = ROWS, first = 0) {
  const { mean, scale } = scales(features), count = features.length / WIDTH, scaled = new Float32Array(features.length);
  for (let row = 0, i = 0; row < count; row++) {
    for (let j = 0; j < WIDTH; j++, i++) scaled[i] = (features[i] - mean[j]) * scale[j];
  }
  const { rows, radius } = greedyCoreset(project(scaled, projection), size, first), coreset = new Float32Array(rows.length * WIDTH);
  rows.forEach((row, i) => coreset.set(scaled.subarray(row * WIDTH, (row + 1) * WIDTH), i * WIDTH));
  return { mean, scale, coreset, rows, radius };
}

/**
 * The rows of a bank that come from other pictures than one: the bank that judges this one.
 * @param {Float32Array} coreset [K * 152]
 * @param {ArrayLike<number>} owners [K] the picture of each row
 * @param {number} picture
 * @returns {Float32Array} [K' * 152]
 */
export function withoutRowsOf(coreset, owners, picture) {
  const kept = coreset.slice();
  let count = 0;
  for (let row = 0; row < owners.length; row++) {
    if (owners[row] !== picture) kept.copyWithin(count++ * WIDTH, row * WIDTH, (row + 1) * WIDTH);
  }
  return kept.subarray(0, count * WIDTH);
}

/**
 * The limit of image scores, as thresholds.tau_images_label_free: at most one good picture in ten shall exceed it, or as
 * few as so many pictures can say.
 * @param {number[]} scores of good pictures, each by a bank without itself
 * @param {number} rate
 * @returns {{ limit: number, refused: number }} refused: about this share of good pictures will be called defective
 */
export function limitOf(scores, rate = RATE) {
  const sorted = Float64Array.from(scores).sort(), n = sorted.length;
  const k = Math.min(Math.ceil((1 - rate) * (n + 1) - 1e-9), n), limit = sorted[k - 1];
  return { limit, refused: (sorted.filter((score) => score > limit).length + 1) / (n + 1) };
}

/**
 * The promise that so many good pictures can give, in words.
 * @param {number[]} scores as above
 */
export function promise(scores) {
  const n = scores.length, { refused } = limitOf(scores), one = Math.floor(1 / refused + 1e-9);
  const more = refused > RATE + 0.005 ? " With 9 pictures or more it is about 1 in 10." : "";
  return `With ${n} good pictures: of further good pictures taken like these, about 1 in ${one} will be called defective.${more}`;
}

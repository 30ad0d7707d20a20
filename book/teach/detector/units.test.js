// What needs no browser: node --test book/teach/detector/units.test.js
// tests/book gives numbers of the package in DETECTOR_NUMBERS, the name of a file.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { readSafetensors } from "../../playground/memory_bank.js";
import { fitBank, greedyCoreset, limitOf, promise, shuffledPlaces, withoutRowsOf, WIDTH } from "./bank.js";
import { read, writeSafetensors } from "./file.js";
import { farthest, middleOf, patchAt } from "./panels.js";
import { narrowed } from "./pictures.js";

const given = process.env.DETECTOR_NUMBERS && JSON.parse(readFileSync(process.env.DETECTOR_NUMBERS));
const near = (values, expected, tolerance) => {
  assert.equal(values.length, expected.length);
  values.forEach((value, i) => assert.ok(Math.abs(value - expected[i]) <= tolerance, `${i}: ${value}, not ${expected[i]}`));
};

test("the bank is that of the package", { skip: !given }, () => {
  const features = Float32Array.from(given.features), { rows } = given;
  const bank = fitBank(features, Float32Array.from(given.projection), rows.length, rows[0]);
  near(bank.mean, given.mean, 1e-5);
  near(bank.scale, given.scale, 1e-5);
  assert.deepEqual([...bank.rows], rows);
  near(bank.coreset, given.coreset, 1e-4);
});

test("the limit is that of the package", { skip: !given }, () => {
  for (const { scores, limit } of given.limits) assert.equal(limitOf(scores).limit, limit);
});

test("a picture is made smaller as the package does it", { skip: !given }, () => {
  const { width, height, pixels, expected } = given.picture, rgba = narrowed(Uint8ClampedArray.from(pixels), width, height);
  near(rgba, expected, 0);
});

test("a coreset has different rows only, and covers all", () => {
  const points = new Float32Array(32 * 6);
  [0, 0, 5, 5, 1, 9].forEach((value, i) => points.fill(value, 32 * i, 32 * i + 32));
  assert.deepEqual([...greedyCoreset(points, 6).rows].sort(), [0, 2, 4, 5]);
  const { rows, radius } = greedyCoreset(points, 2);
  assert.deepEqual([...rows], [0, 5]);
  assert.ok(Math.abs(radius - Math.sqrt(32 * 16)) < 1e-4);
});

test("a bank judges a picture without its own rows", () => {
  const coreset = Float32Array.from({ length: 4 * WIDTH }, (_, i) => Math.floor(i / WIDTH));
  const kept = withoutRowsOf(coreset, [7, 3, 7, 5], 7);
  assert.deepEqual([kept.length, kept[0], kept[WIDTH]], [2 * WIDTH, 1, 3]);
  assert.equal(coreset[0], 0);
});

test("the promise says what so many pictures can", () => {
  const scores = (n) => Array.from({ length: n }, (_, i) => 1 + i / 100);
  assert.equal(limitOf(scores(20)).limit, scores(20)[18]); // of 20, the second largest
  assert.ok(Math.abs(limitOf(scores(20)).refused - 2 / 21) < 1e-12);
  assert.match(promise(scores(20)), /With 20 good pictures.*about 1 in 10 will/);
  assert.match(promise(scores(3)), /about 1 in 4 will.*9 pictures/);
  assert.doesNotMatch(promise(scores(9)), /9 pictures or more/);
});

test("every place is looked at once, in the same order each time", () => {
  const order = shuffledPlaces(3);
  assert.deepEqual([...order].sort((a, b) => a - b), Array.from({ length: 1024 }, (_, i) => i));
  assert.deepEqual(order, shuffledPlaces(3));
  assert.notDeepEqual(order, shuffledPlaces(4));
  let moved = 0;
  order.forEach((place, i) => (moved += Math.abs(place - i) > 32));
  assert.ok(moved > 800);
});

test("places of the picture and patches belong together", () => {
  assert.deepEqual([patchAt(0, 0), patchAt(255, 255), patchAt(13, 3)], [0, 1023, 2]);
  for (const patch of [0, 31, 500, 1023]) assert.equal(patchAt(middleOf(patch).x, middleOf(patch).y), patch);
  assert.equal(farthest(Float32Array.of(1, 3, 2)), 1);
});

test("a file of tensors is read as it was written", async () => {
  const tensors = {
    a: { data: Float32Array.of(1.5, -2), shape: [2] }, b: { data: Int32Array.of(7), shape: [1] }, c: { data: Uint8Array.of(1, 2, 3), shape: [3] },
  };
  const bytes = writeSafetensors(tensors, { detector: '"ü"' }), found = readSafetensors(bytes);
  assert.deepEqual(found.tensors, tensors);
  assert.deepEqual(found.metadata, { detector: '"ü"' });
  await assert.rejects(read([bytes]), /no memory bank/);
  await assert.rejects(read([new TextEncoder().encode("no detector")]), /no detector/);
  await assert.rejects(read([new TextEncoder().encode("{}")]), /thresholds alone/);
});

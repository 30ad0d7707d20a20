// The page's functions that need no browser: node --test book/playground/units.test.js

import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { test } from "node:test";

import { read, write } from "./address.js";
import { counts, imageScore, medianWhere, objectMask, PIXELS, residual, visible } from "./measure.js";
import { fromHalf, readSafetensors } from "./memory_bank.js";
import { better, explain, nutOfTheDay, points } from "./verdict.js";

const bank = new URL("bank.safetensors", import.meta.url);
const DRAWING = {
  nut: 4,
  tau: 0.166,
  strokes: [
    { tool: "scratch", size: 3, text: "", points: [[96, 96], [112.5, 104], [255.5, 0]] },
    { tool: "letters", size: 1, text: "A.~&=ü#", points: [[128, 20.5]] },
    { tool: "hole", size: 5, text: "", points: [[0, 255.5]] },
  ],
};

test("an address gives back what was drawn", () => {
  assert.deepEqual(read(`#${write(DRAWING)}`, 24), DRAWING);
  assert.deepEqual(read(new URL(`#${write(DRAWING)}`, "https://nut.example/").hash, 24), DRAWING);
  assert.deepEqual(read("", 24), { nut: null, tau: null, strokes: [] });
  const outside = { ...DRAWING, strokes: [{ tool: "dirt", size: 2, text: "", points: [[-40, 999]] }] };
  assert.deepEqual(read(write(outside), 24).strokes[0].points, [[0, 255.5]]);
});

test("a broken or foreign address is refused with one sentence", () => {
  const whole = write(DRAWING), wrong = [
    "nut=25", "nut=0", "nut=1.5", "nut=__proto__", "nut", "tau=9", "tau=NaN", "top", "strokes=", "strokes=x3.0000", "strokes=s9.0000",
    "strokes=s3.000", "strokes=s3.zzzz", "strokes=s3.0000.NUT", "strokes=l3.0000", "strokes=l3.0000.%E0%A4%A", "a=b", ":~:text=nut",
    "strokes=[[1,2]]", `strokes=${"s3.0000~".repeat(400)}s3.0000`, whole.slice(0, 20), `strokes=s1.${"0000".repeat(9000)}`,
  ];
  for (const hash of wrong) assert.throws(() => read(hash, 24), /cannot read/, hash.slice(0, 60));
});

test("counts and scores are those of the definitions", () => {
  const map = new Float32Array(PIXELS), mask = new Uint8Array(PIXELS);
  map.set([0.5, 0.3, 0.1, 0.4]);
  mask.set([1, 1, 1]);
  const { tp, fp, fn, precision, recall, f1 } = counts(map, mask, 0.2);
  assert.deepEqual([tp, fp, fn, precision, recall, f1], [2, 1, 1, 2 / 3, 2 / 3, 2 / 3]);
  assert.equal(counts(map, new Uint8Array(PIXELS), 0.2).f1, null);
  for (const largest of [1, 10, 100]) {
    const random = Float32Array.from({ length: 1024 }, (_, i) => ((i * 7919) % 1024) / 500);
    const sorted = Array.from(random).sort((a, b) => b - a).slice(0, largest);
    assert.ok(Math.abs(imageScore(random, largest) - sorted.reduce((a, b) => a + b) / largest) < 1e-6);
  }
  assert.equal(imageScore(new Float32Array(PIXELS), 100), 0);
  assert.ok(Math.abs(medianWhere(map, mask) - 0.3) < 1e-6);
  assert.equal(medianWhere(map, new Uint8Array(PIXELS)), null);
});

test("what is drawn is what visibly changed, and the nut is what is unlike the ground", () => {
  const before = new Float32Array(3 * PIXELS).fill(30 / 255), after = Float32Array.from(before);
  after[PIXELS + 7] += 9 / 255;
  after[PIXELS + 8] += 8 / 255;
  const drawn = visible(residual(before, after));
  assert.deepEqual([drawn[7], drawn[8], drawn[9]], [1, 0, 0]);
  for (let i = 100 * 256; i < 160 * 256; i++) if (i % 256 > 90 && i % 256 < 170) after[i] = 0.6;
  const part = objectMask(after);
  assert.deepEqual([part[130 * 256 + 128], part[130 * 256 + 20], part[20 * 256 + 128]], [1, 0, 0]);
});

test("a verdict that surprises is explained", () => {
  const facts = {
    photo: false, defect: null, untouched: 0.2, score: 0.3, limit: 0.345, falseAlarms: 0.1, heldOut: 39, pixels: 100, drawn: 0,
    change: null, tau: 0.2, tools: [], bankRefuses: null,
  };
  assert.equal(explain(facts), "");
  assert.match(explain({ ...facts, score: 0.4, untouched: 0.4 }), /false alarm.*39 other good nuts.*1 good nut in 10/);
  assert.match(explain({ ...facts, score: 0.5, untouched: 0.4, drawn: 50, change: 0.5 }), /before you drew/);
  assert.match(explain({ ...facts, drawn: 900, change: 0.15, tools: ["dirt"] }), /dirt.*0\.15.*0\.20.*unmarked\.$/);
  assert.match(explain({ ...facts, drawn: 900, change: 0.15, tools: ["dirt"], bankRefuses: true }), /memory bank/);
  assert.match(explain({ ...facts, drawn: 40, change: 0.5 }), /only 40 pixels/);
  assert.match(explain({ ...facts, drawn: 400, change: 0.5 }), /0\.300.*0\.345/);
  assert.equal(explain({ ...facts, drawn: 400, change: 0.5, score: 0.4 }), "");
  assert.match(explain({ ...facts, defect: "cut" }), /cut/);
  assert.match(explain({ ...facts, photo: true, score: 0.9 }), /painted hazelnuts/);
});

test("the game keeps the largest that passes and the smallest that is caught", () => {
  let best = { passed: null, caught: null };
  for (const [pixels, refused] of [[0, false], [80, false], [40, false], [300, true], [50, true], [900, false]])
    best = better(best, { pixels, drawing: String(pixels) }, refused);
  assert.deepEqual([best.passed.pixels, best.caught.pixels, points(best)], [900, 50, 18]);
  assert.equal(points({ passed: null, caught: best.caught }), null);
  const nuts = [{ defect: null, score: 0.4 }, { defect: null, score: 0.1 }, { defect: "cut", score: 0.1 }, { defect: null, score: 0.3 }];
  const days = [0, 1, 2].map((day) => nutOfTheDay(nuts, 0.345, new Date(Date.UTC(2030, 0, 1 + day, 15))));
  assert.deepEqual([...new Set(days)].sort(), [1, 3]);
  assert.equal(days[0], days[2]);
});

test("half precision is widened, and the shipped bank can be read", () => {
  const halves = Uint16Array.of(0, 0x8000, 0x3c00, 0xc000, 0x3555, 0x0001, 0x7bff, 0x7c00, 0xfc00);
  assert.deepEqual([...fromHalf(halves)], [0, -0, 1, -2, 0.333251953125, 2 ** -24, 65504, Infinity, -Infinity]);
  const { tensors, metadata } = readSafetensors(readFileSync(bank)), { top, image_tau: limit } = JSON.parse(metadata.bank);
  assert.deepEqual(tensors.coreset.shape, [1000, 144]);
  assert.equal(tensors.coreset.data.length, 144_000);
  assert.ok(tensors.coreset.data.every(Number.isFinite) && top === 10 && limit > 0);
  for (const wrong of [new Uint8Array(3), new Uint8Array(100).fill(255)]) assert.throws(() => readSafetensors(wrong), /no file/);
});

test("the moving picture of the page is small", () => {
  const { size } = statSync(new URL("../../figures/scratching.webp", import.meta.url));
  assert.ok(size > 5e4 && size < 1e6, `${size} bytes`);
});

// What is drawn, as the part of an address after "#", and back: nut=3&tau=0.2&strokes=s2.4a5b...~l3.4a5b.NUT

import { TOOLS } from "./painting.js";

const MOST_SIGNS = 30_000, MOST_STROKES = 300;
const END = 2 * 256 - 1; // points are stored in half pixels, each number as two digits of base 36
const BROKEN = "This address holds a drawing that the page cannot read, so the nut is untouched.";

/** @typedef {{ nut: number | null, tau: number | null, strokes: import("./painting.js").Stroke[] }} Drawing */

/**
 * @param {Drawing} drawing nut from 0 on; null for a photograph, which no address holds
 * @returns {string} without the "#"
 */
export function write({ nut, tau, strokes }) {
  const parts = [];
  if (nut !== null) parts.push(`nut=${nut + 1}`);
  if (tau !== null) parts.push(`tau=${Number(tau.toFixed(3))}`);
  if (strokes.length) parts.push(`strokes=${strokes.map(writeStroke).join("~")}`);
  return parts.join("&");
}

/**
 * @param {string} hash with or without its "#"
 * @param {number} nuts how many there are
 * @returns {Drawing}
 * @throws {Error} with a sentence for the reader, if this page has not written it
 */
export function read(hash, nuts) {
  const text = hash.replace(/^#/, ""), drawing = { nut: null, tau: null, strokes: [] };
  if (text.length > MOST_SIGNS) throw new Error(BROKEN);
  for (const part of text.split("&").filter(Boolean)) {
    const [name, value] = part.split(/=(.*)/s);
    if (name === "nut") drawing.nut = number(value, 1, nuts) - 1;
    else if (name === "tau") drawing.tau = number(value, 0.01, 0.8);
    else if (name === "strokes") drawing.strokes = value.split("~").map(readStroke);
    else throw new Error(BROKEN);
  }
  if (drawing.strokes.length > MOST_STROKES || !Number.isInteger(drawing.nut ?? 0)) throw new Error(BROKEN);
  return drawing;
}

function writeStroke({ tool, size, text, points }) {
  const digits = (value) => Math.min(END, Math.max(0, Math.round(2 * value))).toString(36).padStart(2, "0");
  const places = points.map(([x, y]) => digits(x) + digits(y)).join("");
  const letters = encodeURIComponent(text).replace(/[.~]/g, (sign) => `%${sign.charCodeAt().toString(16).toUpperCase()}`);
  return `${tool[0]}${size}.${places}${tool === "letters" ? `.${letters}` : ""}`;
}

function readStroke(written) {
  const match = /^([a-z])([1-5])\.((?:[0-9a-z]{4})+)(?:\.([^.]*))?$/.exec(written);
  const tool = match && TOOLS.find((name) => name[0] === match[1]);
  if (!tool || (tool === "letters") !== (match[4] !== undefined)) throw new Error(BROKEN);
  const points = match[3].match(/.{4}/g).map((place) => [half(place.slice(0, 2)), half(place.slice(2))]);
  return { tool, size: Number(match[2]), text: letters(match[4]), points };
}

function letters(written = "") {
  try {
    return decodeURIComponent(written).slice(0, 8);
  } catch {
    throw new Error(BROKEN);
  }
}

function half(digits) { return number(String(parseInt(digits, 36)), 0, END) / 2; }

function number(text, least, most) {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (!(value >= least && value <= most)) throw new Error(BROKEN);
  return value;
}

// Strokes on a nut, painted in colours on its picture. What counts as drawn is where the picture has changed (measure.js).

/**
 * @typedef {"scratch" | "dirt" | "letters" | "hole"} Tool
 * @typedef {{ tool: Tool, size: number, text: string, points: number[][] }} Stroke
 *   size from 1 to 5; text of at most 8 letters, for letters alone; points [x, y] in pixels of the 256 × 256 picture
 */

/** @type {Tool[]} */
export const TOOLS = ["scratch", "dirt", "letters", "hole"];

/**
 * @param {OffscreenCanvasRenderingContext2D} picture
 * @param {Stroke} stroke
 */
export function paintStroke(picture, stroke) {
  painters[stroke.tool](picture, stroke);
}

const painters = {
  // A groove: dark below, pale flesh in it.
  scratch(picture, { size, points }) {
    const width = 0.8 + size;
    line(picture, points.map(([x, y]) => [x + 0.5, y + 0.8]), width + 1.2, "rgba(30, 18, 10, 0.6)");
    line(picture, points, width, "rgb(214, 178, 138)");
  },

  // Soft brown spots, scattered along the way; the same stroke always gets the same ones.
  dirt(picture, { size, points }) {
    const random = numbers(points[0]), reach = 3 + 3 * size;
    for (const [x, y] of everyFew(points, 4)) {
      for (let i = 0; i < 4; i++) {
        const angle = 2 * Math.PI * random(), distance = reach * Math.sqrt(random());
        const at = [x + distance * Math.cos(angle), y + distance * Math.sin(angle)], radius = 1 + size * random();
        disc(picture, at, radius, `rgba(${58 + 24 * random()}, ${48 + 16 * random()}, 34, 0.75)`);
      }
    }
  },

  // White paint, where the stroke begins.
  letters(picture, { size, text, points: [[x, y]] }) {
    picture.font = `bold ${10 + 10 * size}px "Liberation Sans", Arial, sans-serif`;
    picture.textAlign = "center";
    picture.textBaseline = "middle";
    picture.fillStyle = "rgb(236, 234, 228)";
    picture.fillText(text, x, y);
  },

  // A worm's hole: pale gnawed rim, dark inside.
  hole(picture, { size, points }) {
    const random = numbers(points[0]), radius = 2 + 2.5 * size;
    for (const at of everyFew(points, 2 * radius)) {
      blot(picture, at, radius * 1.35, random, "rgb(176, 140, 100)");
      blot(picture, at, radius, random, "rgb(22, 14, 9)");
    }
  },
};

function line(context, points, width, colour) {
  context.lineWidth = width;
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = colour;
  context.beginPath();
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  if (points.length === 1) context.lineTo(points[0][0] + 0.01, points[0][1]);
  context.stroke();
}

function disc(context, [x, y], radius, colour) {
  context.fillStyle = colour;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

// A disc with an uneven rim
function blot(context, [x, y], radius, random, colour) {
  context.fillStyle = colour;
  context.beginPath();
  for (let i = 0; i < 14; i++) {
    const angle = (2 * Math.PI * i) / 14, r = radius * (0.85 + 0.3 * random());
    context.lineTo(x + r * Math.cos(angle), y + r * Math.sin(angle));
  }
  context.fill();
}

// The first point, and then each that lies at least `apart` from the last one taken
function everyFew(points, apart) {
  const taken = [points[0]];
  for (const point of points) {
    const [x, y] = taken.at(-1);
    if (Math.hypot(point[0] - x, point[1] - y) >= apart) taken.push(point);
  }
  return taken;
}

// Random numbers in [0, 1) that a stroke's first point repeats (mulberry32, public domain)
function numbers([x, y]) {
  let seed = Math.round(2 * x) * 1024 + Math.round(2 * y);
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

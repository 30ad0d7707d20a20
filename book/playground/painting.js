// Strokes on a nut. A stroke is { tool, size, text, seed, points: [[x, y], ...] } in pixels of the 256 x 256 picture.
// Every stroke is painted twice: in colours on the picture, and in white on the mask.

export const TOOLS = ["scratch", "dirt", "letters", "hole"];

export function paintStroke(picture, mask, stroke) {
  painters[stroke.tool](picture, mask, stroke);
}

const painters = {
  // A groove: dark below, pale flesh in it.
  scratch(picture, mask, { size, points }) {
    const width = 0.8 + size;
    line(picture, points.map(([x, y]) => [x + 0.5, y + 0.8]), width + 1.2, "rgba(30, 18, 10, 0.6)");
    line(picture, points, width, "rgb(214, 178, 138)");
    line(mask, points, width + 1, "#fff");
  },

  // Soft brown spots, scattered along the way; the same stroke always gets the same ones.
  dirt(picture, mask, { size, points, seed }) {
    const random = numbers(seed), reach = 3 + 3 * size;
    for (const [x, y] of everyFew(points, 4)) {
      for (let i = 0; i < 4; i++) {
        const angle = 2 * Math.PI * random(), distance = reach * Math.sqrt(random());
        const at = [x + distance * Math.cos(angle), y + distance * Math.sin(angle)], radius = 1 + size * random();
        disc(picture, at, radius, `rgba(${58 + 24 * random()}, ${48 + 16 * random()}, 34, 0.75)`);
        disc(mask, at, radius, "#fff");
      }
    }
  },

  // White paint, where the stroke begins.
  letters(picture, mask, { size, text, points: [[x, y]] }) {
    for (const [context, colour] of [[picture, "rgb(236, 234, 228)"], [mask, "#fff"]]) {
      context.font = `bold ${10 + 10 * size}px "Liberation Sans", Arial, sans-serif`;
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillStyle = colour;
      context.fillText(text, x, y);
    }
  },

  // A worm's hole: pale gnawed rim, dark inside.
  hole(picture, mask, { size, points, seed }) {
    const random = numbers(seed), radius = 2 + 2.5 * size;
    for (const at of everyFew(points, 2 * radius)) {
      blot(picture, at, radius * 1.35, random, "rgb(176, 140, 100)");
      blot(picture, at, radius, random, "rgb(22, 14, 9)");
      disc(mask, at, radius * 1.3, "#fff");
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

// Random numbers in [0, 1) that a seed repeats (mulberry32, public domain)
function numbers(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

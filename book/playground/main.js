// Holds what is chosen and drawn, and brings the rest together: a change of the picture asks the network for a copy, a
// change of the threshold only counts anew.

import { counts, imageScore, residual, toPlanes } from "./measure.js";
import { Network, SIZE, mix } from "./network.js";
import { TOOLS, paintStroke } from "./painting.js";
import { drawSmall, readPhoto } from "./photo.js";
import { showHeat, showHistogram, showMarked, showPlanes } from "./views.js";

const HEAT_TOP = 0.6; // the residual that is drawn brightest
const MARGIN_OF_KEYS = 2; // pixels that an arrow key moves the pen; eight with shift

const element = (id) => document.getElementById(id);
const small = () => {
  const canvas = new OffscreenCanvas(SIZE, SIZE);
  return canvas.getContext("2d", { willReadFrequently: true });
};

const state = {
  data: null, // data.json
  network: null,
  nut: 0, // number of the chosen nut, or -1 for a photograph
  base: small(), // the nut as it was chosen ...
  baseMask: small(), // ... and the defect that it came with
  picture: small(), // the same with the strokes on it
  maskPicture: small(),
  strokes: [],
  pen: { x: 128, y: 110, down: false, shown: false }, // of the keyboard
  planes: null, // the picture, Float32Array [3 * 256 * 256] in [0, 1]
  mask: new Uint8Array(SIZE * SIZE), // 1 where a defect is drawn
  z: null, // its latent vector
  map: null, // its residual
  tau: 0.2,
  updates: [], // milliseconds of each update, from the change to the pictures
};

// --- the picture -----------------------------------------------------------------------------------------------------

function repaint() {
  for (const [context, base] of [[state.picture, state.base], [state.maskPicture, state.baseMask]]) {
    context.clearRect(0, 0, SIZE, SIZE);
    context.drawImage(base.canvas, 0, 0);
  }
  for (const stroke of state.strokes) paintStroke(state.picture, state.maskPicture, stroke);
  showInput();
  update();
}

function showInput() {
  const context = element("input").getContext("2d");
  context.imageSmoothingEnabled = true;
  context.drawImage(state.picture.canvas, 0, 0, 512, 512);
  if (!state.pen.shown) return;
  const [x, y] = [2 * state.pen.x, 2 * state.pen.y];
  for (const [colour, width] of [["#000", 5], ["#fff", 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.arc(x, y, state.pen.down ? 5 : 11, 0, 2 * Math.PI);
    context.stroke();
  }
}

// --- from the picture to the map -------------------------------------------------------------------------------------

let running = null, again = false;

// Computes the newest picture; strokes that come in meanwhile are computed together, afterwards.
function update() {
  if (!state.network) return;
  again = true;
  running ??= (async () => {
    try {
      while (again) {
        again = false;
        await computeOnce();
      }
    } catch (error) {
      problem(`The network could not be computed: ${error.message}`);
    } finally {
      running = null;
    }
  })();
}

async function computeOnce() {
  const begin = performance.now();
  state.planes = toPlanes(state.picture.getImageData(0, 0, SIZE, SIZE).data);
  const drawn = state.maskPicture.getImageData(0, 0, SIZE, SIZE).data;
  state.mask = Uint8Array.from(state.mask, (_, i) => (drawn[4 * i + 3] > 127 && drawn[4 * i] > 127 ? 1 : 0));
  const { z, copy } = await state.network.copy(state.planes);
  state.z = z;
  state.map = residual(state.planes, copy);
  showPlanes(element("copy"), copy);
  showHeat(element("residual"), state.planes, state.map, state.data.heat, HEAT_TOP);
  measure();
  state.updates.push(performance.now() - begin);
  walkSoon();
}

// What depends on the threshold
function measure() {
  if (!state.map) return;
  const { map, mask, tau, data } = state;
  showMarked(element("marked"), state.planes, map, mask, tau, data.colours);
  const c = counts(map, mask, tau);
  showHistogram(element("histogram"), map, mask, tau, c.drawn);
  for (const name of ["precision", "recall", "f1"]) element(name).textContent = c[name] === null ? "–" : c[name].toFixed(2);
  element("drawn").textContent = c.drawn;
  element("above").textContent = c.marked;
  const score = imageScore(map, data.image_score_pixels);
  const words = score > data.image_tau ? "throw away" : "keep";
  element("verdict").textContent = `${words} (score ${score.toFixed(3)}, limit ${data.image_tau.toFixed(3)})`;
}

function setTau(tau) {
  state.tau = tau;
  element("tau").value = tau;
  element("tau-value").textContent = tau.toFixed(3);
  measure();
}

// --- drawing ---------------------------------------------------------------------------------------------------------

function newStroke(x, y) {
  const tool = document.querySelector("input[name=tool]:checked").value;
  const stroke = { tool, size: Number(element("size").value), text: element("text").value || "?", points: [[x, y]] };
  stroke.seed = Math.round(1000 * x + y) + state.strokes.length;
  state.strokes.push(stroke);
  repaint();
}

function lengthen(x, y) {
  const stroke = state.strokes.at(-1);
  if (stroke.tool === "letters") stroke.points = [[x, y]]; // letters follow the pen
  else stroke.points.push([x, y]);
  repaint();
}

function undo() {
  state.strokes.pop();
  state.pen.down = false;
  repaint();
}

function clear() {
  state.strokes = [];
  state.baseMask.clearRect(0, 0, SIZE, SIZE);
  state.pen.down = false;
  if (state.nut >= 0 && state.data.nuts[state.nut].defect) loadMask(state.nut).then(repaint);
  else repaint();
}

function wireDrawing() {
  const canvas = element("input");
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIZE, ((event.clientY - box.top) / box.height) * SIZE];
  };
  let pointer = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    state.pen = { ...state.pen, shown: false, down: false };
    newStroke(...place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const [x, y] = place(event);
    lengthen(x, y);
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (pointer = null));

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 4 * MARGIN_OF_KEYS : MARGIN_OF_KEYS, pen = state.pen;
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const within = (value) => Math.min(255, Math.max(0, value));
    pen.shown = true;
    if (move) {
      pen.x = within(pen.x + step * move[0]);
      pen.y = within(pen.y + step * move[1]);
      if (pen.down) lengthen(pen.x, pen.y);
      else showInput();
    } else if (event.key === " ") {
      pen.down = !pen.down;
      if (pen.down) newStroke(pen.x, pen.y);
      else showInput();
    } else if (event.key.toLowerCase() === "u") undo();
    else if (event.key.toLowerCase() === "c") clear();
    else if (TOOLS[event.key - 1]) chooseTool(TOOLS[event.key - 1]);
    else return;
    event.preventDefault();
  });
  canvas.addEventListener("focus", () => {
    state.pen.shown = canvas.matches(":focus-visible");
    showInput();
  });
  canvas.addEventListener("blur", () => {
    state.pen = { ...state.pen, shown: false, down: false };
    showInput();
  });
}

function chooseTool(tool) {
  document.querySelector(`input[name=tool][value=${tool}]`).checked = true;
  element("text-label").hidden = tool !== "letters";
}

// --- choosing --------------------------------------------------------------------------------------------------------

async function loadPicture(file) {
  const response = await fetch(`nuts/${file}`);
  return createImageBitmap(await response.blob(), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
}

// Masks are black and white pictures; only white counts.
async function loadMask(number) {
  state.baseMask.drawImage(await loadPicture(`${String(number).padStart(2, "0")}_mask.png`), 0, 0);
}

let choice = 0; // of several clicks the last one counts

async function chooseNut(number) {
  const mine = ++choice, bitmap = await loadPicture(state.data.nuts[number].file);
  if (mine !== choice) return;
  state.baseMask.clearRect(0, 0, SIZE, SIZE);
  if (state.data.nuts[number].defect) await loadMask(number);
  take(bitmap, number);
}

function take(bitmap, number) {
  state.nut = number;
  state.base.fillStyle = "#000";
  state.base.fillRect(0, 0, SIZE, SIZE);
  drawSmall(state.base, bitmap);
  state.strokes = [];
  for (const button of document.querySelectorAll("#nuts button"))
    button.setAttribute("aria-pressed", String(Number(button.dataset.nut) === number));
  repaint();
}

async function choosePhoto(file) {
  problem("");
  try {
    const { bitmap, note } = await readPhoto(file);
    choice++;
    state.baseMask.clearRect(0, 0, SIZE, SIZE);
    take(bitmap, -1);
    problem(note, false);
  } catch (error) {
    problem(error.message);
  }
}

// Says something to the reader: that something went wrong, or what was done
function problem(words, wrong = true) {
  element("problem").classList.toggle("problem", wrong);
  element("problem").textContent = words;
  element("problem").hidden = !words;
}

function wireChoosing() {
  const names = state.data.nuts.map(({ defect }, i) => `nut ${i + 1}, ${defect ? `with a ${defect}` : "good"}`);
  names.forEach((name, i) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", title: name, onclick: () => chooseNut(i) });
    button.dataset.nut = i;
    button.setAttribute("aria-label", name);
    button.setAttribute("aria-pressed", "false");
    button.style.backgroundPosition = `${-40 * i}px 0`;
    element("nuts").append(button);
    element("other").append(new Option(name, i));
  });
  element("other").value = 3;
  element("file").onchange = ({ target }) => {
    if (target.files[0]) choosePhoto(target.files[0]);
    target.value = "";
  };
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("over");
  });
  for (const end of ["dragleave", "drop"]) addEventListener(end, () => document.body.classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    const file = event.dataTransfer.files[0];
    file ? choosePhoto(file) : problem("Drop a picture from your computer; what you dropped is no file.");
  });
}

// --- the walk --------------------------------------------------------------------------------------------------------

const target = { number: null, planes: null, z: null };
let walking = false, walkAgain = false;

// The walk waits until the picture is up to date: whoever draws should not wait for it.
async function walkSoon() {
  walkAgain = true;
  if (walking) return;
  walking = true;
  try {
    while (walkAgain && !again) {
      walkAgain = false;
      await walkOnce();
    }
  } finally {
    walking = false;
  }
}

async function walkOnce() {
  const number = Number(element("other").value), way = Number(element("way").value);
  element("way-value").textContent = `${Math.round(100 * way)} %`;
  if (!state.z) return;
  if (target.number !== number) {
    const context = small();
    context.drawImage(await loadPicture(state.data.nuts[number].file), 0, 0);
    target.planes = toPlanes(context.getImageData(0, 0, SIZE, SIZE).data);
    target.z = await state.network.encode(target.planes);
    target.number = number;
  }
  showPlanes(element("between"), await state.network.decode(mix(state.z, target.z, way)));
  showPlanes(element("blend"), state.planes.map((value, i) => (1 - way) * value + way * target.planes[i]));
}

// --- the beginning ---------------------------------------------------------------------------------------------------

async function begin() {
  const progress = element("progress");
  try {
    state.data = await (await fetch("data.json")).json();
    wireChoosing();
    wireDrawing();
    element("undo").onclick = undo;
    element("clear").onclick = clear;
    element("tools").onchange = ({ target: { value } }) => chooseTool(value);
    element("tau").oninput = ({ target: { value } }) => setTau(Number(value));
    element("printed").onclick = () => setTau(state.data.tau.printed);
    element("label-free").onclick = () => setTau(state.data.tau.label_free);
    element("way").oninput = element("other").onchange = walkSoon;
    new ResizeObserver(measure).observe(element("histogram"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", measure);
    setTau(state.data.tau.printed);
    await chooseNut(0);
    state.strokes = [{ tool: "scratch", size: 3, seed: 1, text: "", points: EXAMPLE }];
    repaint();
    state.network = await Network.load((loaded, total) => {
      progress.value = total ? loaded / total : 0;
      const mb = (bytes) => (bytes / 1e6).toFixed(0);
      element("loading-words").textContent = `Loading the network: ${mb(loaded)} of ${mb(total)} MB (once). You can draw already.`;
    });
    element("loading").hidden = true;
    update();
  } catch (error) {
    element("loading").hidden = true;
    problem(`The playground could not start: ${error.message} A newer browser may help.`);
  }
}

const EXAMPLE = [[96, 96], [112, 104], [128, 108], [144, 116]]; // a scratch to begin with; Clear removes it

// For the console, and for tests/book: playground.state, and await playground.idle()
window.playground = {
  state,
  async idle() {
    while (!state.network || again || running || walking) await new Promise((resolve) => setTimeout(resolve, 5));
  },
};

begin();

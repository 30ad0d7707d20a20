// Holds what is chosen and drawn, and brings the rest together: a change of the picture asks the network for a
// reconstruction, a change of the threshold only counts anew.

import * as address from "./address.js";
import { Autoencoder, mix } from "./autoencoder.js";
import { count, counts, imageScore, medianWhere, residual, toPlanes, PIXELS, SIZE } from "./measure.js";
import { MemoryBank } from "./memory_bank.js";
import { Pad } from "./pad.js";
import { TOOLS } from "./painting.js";
import { readPhoto } from "./photo.js";
import { download, pictureOf } from "./picture.js";
import { better, explain, isFair, nutOfTheDay, points, remember, remembered } from "./verdict.js";
import { showHeat, showHistogram, showMarked, showNothing, showPlanes } from "./views.js";

const HEAT = { from: 0, to: 0.6 }; // of the residual
const REST = 100; // milliseconds without a change
const EXAMPLE = "strokes=s3.5c5c685s7460806g"; // a scratch to begin with; Clear removes it
const element = (id) => document.getElementById(id);
const chosen = (name) => document.querySelector(`input[name=${name}]:checked`).value;

const state = {
  data: null, // data.json
  network: null, // an Autoencoder
  bank: null, // a MemoryBank
  nut: 0, // number of the chosen nut, or -1 for a photograph
  own: new Uint8Array(PIXELS), // 1 where the nut has a defect of its own
  planes: null, change: null, drawn: null, part: null, // of the picture: see Pad.read
  mask: null, // 1 where a defect is, the nut's own or a drawn one
  z: null, map: null, score: 0, // the autoencoder's latent vector, residual and image score
  found: null, // the memory bank's map, distances and score, with the planes that they are of
  tau: 0.2,
  updates: [], // milliseconds of each update, from the change to the pictures
};

// --- from the picture to the maps ------------------------------------------------------------------------------------

// Runs a task for the newest state only: calls that come in meanwhile are answered together, afterwards.
function newest(task) {
  let wanted = false, running = null;
  const soon = () => {
    wanted = true;
    running ??= (async () => {
      try {
        while (wanted) {
          wanted = false;
          await task();
        }
      } catch (error) {
        problem(`The picture could not be computed: ${error.message}`);
      } finally {
        running = null;
      }
      if (task === compute) rested();
    })();
  };
  soon.busy = () => running !== null;
  return soon;
}

async function compute() {
  if (!state.network || !pad.ready) return;
  const begin = performance.now();
  Object.assign(state, pad.read());
  const { z, reconstruction } = await state.network.reconstruct(state.planes);
  Object.assign(state, { z, map: residual(state.planes, reconstruction) });
  state.mask = Uint8Array.from(state.drawn);
  for (let i = 0; i < PIXELS; i++) if (state.own[i]) state.mask[i] = 1;
  state.score = imageScore(state.map, state.data.image_score_pixels);
  showPlanes(element("reconstruction"), reconstruction);
  showHeat(element("residual"), state.planes, state.map, state.data.heat, HEAT);
  measure();
  state.updates.push(performance.now() - begin);
}

const update = newest(compute);

// What waits until nobody draws, so that it takes no time from a stroke: the other detector, the walk, and what is said
// about a finished drawing
let finished = false, resting = 0;

function rested() {
  clearTimeout(resting);
  resting = setTimeout(() => {
    resting = 0;
    compareSoon();
    walkSoon();
  }, REST);
  if (!finished || !state.map) return;
  finished = false;
  play();
  setTimeout(() => update.busy() || announce(), 500);
}

function done() {
  finished = true;
  keepAddress();
  if (element("retry").hidden) problem("");
  if (!update.busy()) rested();
}

const compareSoon = newest(async () => {
  const { bank, planes } = state;
  if (!bank || !planes) return;
  state.found = { ...(await bank.find(planes)), planes };
  measureBank();
});

// What depends on the autoencoder's threshold
function measure() {
  if (!state.map) return;
  const { map, mask, tau, data, score } = state, limit = data.image_tau, c = counts(map, mask, tau);
  showMarked(element("marked"), state.planes, map, mask, tau, data.colours);
  showHistogram(element("histogram"), map, mask, tau);
  fillRow("by-network", c, score, limit);
  const own = count(state.own);
  element("defective").textContent = `${c.defective}${own ? ` (${own} of them came with this nut)` : ""}`;
  element("verdict-words").textContent = score > limit ? "Throw away." : "Keep.";
  element("verdict").classList.toggle("refused", score > limit);
  element("verdict-numbers").textContent = `score ${score.toFixed(3)}, limit ${limit.toFixed(3)}`;
  showHint();
  showOver();
}

function measureBank() {
  const { found, data: { bank, heat } } = state;
  if (!found || !state.mask) return;
  showHeat(element("bank"), state.planes, found.map, heat, bankScale());
  fillRow("by-bank", counts(found.map, state.mask, bank.tau), found.score, bank.image_tau);
  showHint();
  showOver();
}

function showHint() {
  const { data, nut, found, planes, score, tau, drawn, change } = state;
  const { defect, score: untouched } = nut < 0 ? { defect: null, score: 0 } : data.nuts[nut];
  element("hint").textContent = explain({
    photo: nut < 0, defect, untouched, score, limit: data.image_tau, tau, falseAlarms: data.false_alarms, heldOut: data.held_out,
    pixels: data.image_score_pixels, drawn: count(drawn), change: medianWhere(change, drawn),
    tools: pad.strokes.map(({ tool }) => tool),
    bankRefuses: found?.planes === planes ? found.score > data.bank.image_tau : null,
  });
}

const bankScale = () => ({ from: 0.75 * state.data.bank.tau, to: 2 * state.data.bank.tau });

function fillRow(row, c, score, limit) {
  const ratios = [c.precision, c.recall, c.f1].map((value) => (value === null ? "–" : value.toFixed(2)));
  const verdict = `${score > limit ? "throw away" : "keep"} (${score.toFixed(3)}, limit ${limit.toFixed(3)})`;
  const words = [verdict, ...ratios, c.marked];
  words.forEach((word, i) => (element(row).cells[i + 1].textContent = word));
}

function showOver() {
  const over = chosen("over"), canvas = element("over"), { data, map, found, mask, tau } = state;
  if (over === "heat" && map) showHeat(canvas, null, map, data.heat, HEAT);
  else if (over === "marked" && map) showMarked(canvas, null, map, mask, tau, data.colours);
  else if (over === "bank" && found) showHeat(canvas, null, found.map, data.heat, bankScale());
  else if (over !== "bank" || !state.bank) showNothing(canvas);
}

function setTau(tau) {
  state.tau = tau;
  element("tau").value = tau;
  element("tau-value").textContent = tau.toFixed(3);
  measure();
}

// For a screen reader, once a drawing is finished
function announce() {
  const pixels = `${count(state.drawn)} pixels drawn`;
  element("status").textContent = `${element("verdict").textContent} ${pixels}. ${element("hint").textContent}`;
}

// --- drawing ---------------------------------------------------------------------------------------------------------

const pad = new Pad(element("input"), {
  brush: () => ({ tool: chosen("tool"), size: Number(element("size").value), text: element("text").value || "?" }),
  changed: update,
  done,
  onKey: (key) => Boolean(TOOLS[key - 1]) && chooseTool(TOOLS[key - 1]),
});

function chooseTool(tool) {
  document.querySelector(`input[name=tool][value=${tool}]`).checked = true;
  element("text-label").hidden = tool !== "letters";
  return true;
}

function wireDrawing() {
  element("undo").onclick = () => pad.undo();
  element("redo").onclick = () => pad.redo();
  element("clear").onclick = () => pad.clear();
  element("tools").onchange = ({ target: { value } }) => chooseTool(value);
  addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase(), again = key === "y" || (key === "z" && event.shiftKey);
    if (!(event.ctrlKey || event.metaKey) || !(key === "z" || key === "y") || event.target.type === "text") return;
    event.preventDefault();
    again ? pad.redo() : pad.undo();
  });
}

// --- choosing --------------------------------------------------------------------------------------------------------

async function loadPicture(file) {
  const response = await fetch(`nuts/${file}`).catch(() => null);
  if (!response?.ok) throw new Error("This nut could not be loaded: the connection was lost. Choose it again.");
  return createImageBitmap(await response.blob(), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
}

// An image's planes, from a file in nuts/
async function loadPlanes(file) {
  const context = new OffscreenCanvas(SIZE, SIZE).getContext("2d", { willReadFrequently: true });
  context.drawImage(await loadPicture(file), 0, 0);
  return toPlanes(context.getImageData(0, 0, SIZE, SIZE).data);
}

let choice = 0; // of several clicks the last one counts

// Returns whether it could
async function chooseNut(number, strokes = []) {
  const mine = ++choice, { file, defect } = state.data.nuts[number];
  try {
    const bitmap = await loadPicture(file);
    const own = defect ? await loadPlanes(file.replace(".png", "_mask.png")) : new Float32Array(PIXELS);
    if (mine === choice) take(bitmap, number, own, strokes);
    return mine === choice;
  } catch (error) {
    problem(error.message);
    return false;
  }
}

function take(bitmap, number, own, strokes) {
  state.nut = number;
  state.own = Uint8Array.from(own.subarray(0, PIXELS), (value) => (value > 0.5 ? 1 : 0));
  pad.setNut(bitmap, strokes, number < 0);
  for (const button of document.querySelectorAll("#nuts button"))
    button.setAttribute("aria-pressed", String(Number(button.dataset.nut) === number));
  showBest();
}

async function choosePhoto(file) {
  problem("");
  try {
    const { bitmap, note } = await readPhoto(file);
    choice++;
    take(bitmap, -1, new Float32Array(PIXELS), []);
    keepAddress();
    problem(note, { wrong: false });
  } catch (error) {
    problem(error.message);
  }
}

// Says something to the reader, until the next thing is done: what went wrong, or what was done
function problem(words, { wrong = true, retry = null } = {}) {
  element("problem").classList.toggle("problem", wrong);
  element("problem-words").textContent = words;
  element("problem").hidden = !words;
  element("retry").hidden = !retry;
  element("retry").onclick = retry;
}

function wireChoosing() {
  const names = state.data.nuts.map(({ defect }, i) => `nut ${i + 1}, ${defect ? `with a ${defect}` : "good"}`);
  names.forEach((name, i) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", title: name });
    button.onclick = async () => {
      if (await chooseNut(i)) done();
    };
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

// --- the address and the picture that one passes on ------------------------------------------------------------------

const drawingNow = () => ({ nut: state.nut < 0 ? null : state.nut, tau: state.tau, strokes: pad.strokes });

let keeping = 0;

function keepAddress(later = 300) {
  clearTimeout(keeping);
  keeping = setTimeout(() => {
    const hash = state.nut < 0 ? "" : `#${address.write(drawingNow())}`; // no address holds a photograph
    try {
      history.replaceState(null, "", `${location.pathname}${location.search}${hash}`);
    } catch {
      // Some browsers refuse when it changes too often; the next change writes it.
    }
  }, later);
}

// Does the address hold something to draw, and not only a place of this page, as #try?
function holdsDrawing() {
  return location.hash.length > 1 && !element(location.hash.slice(1));
}

async function openAddress() {
  try {
    const { nut, tau, strokes } = address.read(location.hash, state.data.nuts.length);
    setTau(tau ?? state.tau);
    await chooseNut(nut ?? 0, strokes);
  } catch (error) {
    await chooseNut(0);
    problem(error.message);
  }
}

function wireSharing() {
  const say = (words) => (element("shared").textContent = words);
  element("copy-address").onclick = async () => {
    if (state.nut < 0) return say("A photograph stays on your computer; no address holds it.");
    const whole = new URL(`#${address.write(drawingNow())}`, location.href).href;
    try {
      await navigator.clipboard.writeText(whole);
      say("Copied: nut, strokes and τ.");
    } catch {
      keepAddress(0);
      say("It stands in the browser's address line.");
    }
  };
  element("save").onclick = async () => {
    if (!state.map) return say("The network is still loading.");
    const names = { input: "input", reconstruction: "reconstruction", residual: "residual", marked: `marked, τ = ${state.tau.toFixed(3)}` };
    const panels = Object.entries(names).map(([id, words]) => ({ canvas: element(id), words }));
    const hash = state.nut < 0 ? "#" : `#${address.write(drawingNow())}`, place = new URL(hash, location.href).href;
    const lines = [`Autoencoder: ${element("verdict").textContent}. ${element("hint").textContent}`, place];
    download(await pictureOf(panels, lines), "hazelnut.png");
    say("Saved as hazelnut.png.");
  };
  addEventListener("hashchange", () => holdsDrawing() && openAddress());
}

// --- the game --------------------------------------------------------------------------------------------------------

// A finished drawing is an attempt; only what lies on the nut counts.
function play() {
  const { nut, data } = state;
  if (nut < 0 || !isFair(data.nuts[nut], data.image_tau)) return;
  const pixels = count(state.drawn.map((value, i) => value & state.part[i]));
  const drawing = address.write({ nut, tau: null, strokes: pad.strokes });
  const before = remembered(nut), now = better(before, { pixels, drawing }, state.score > data.image_tau);
  if (now !== before) remember(nut, now);
  showBest();
}

function showBest() {
  const { nut, data } = state, fair = nut >= 0 && isFair(data.nuts[nut], data.image_tau);
  const best = fair ? remembered(nut) : { passed: null, caught: null }, score = points(best);
  for (const name of ["passed", "caught"]) {
    element(name).textContent = best[name] ? `${best[name].pixels} pixels` : "–";
    element(`show-${name}`).hidden = !best[name];
    element(`show-${name}`).onclick = () => showAttempt(best[name]);
  }
  element("points").textContent = score === null ? "–" : score.toFixed(1);
  element("game-state").textContent = fair ? `You play on nut ${nut + 1}.`
    : "This one is no nut to play on: only good nuts that pass untouched are.";
}

function showAttempt({ drawing }) {
  try {
    pad.replace(address.read(drawing, state.data.nuts.length).strokes);
    element("input").scrollIntoView({ block: "center" });
  } catch (error) {
    problem(error.message);
  }
}

// --- the walk --------------------------------------------------------------------------------------------------------

const target = { number: null, planes: null, z: null };

const walkSoon = newest(async () => {
  const number = Number(element("other").value), way = Number(element("way").value);
  element("way-value").textContent = `${Math.round(100 * way)} %`;
  if (!state.z) return;
  if (target.number !== number) {
    target.planes = await loadPlanes(state.data.nuts[number].file);
    target.z = await state.network.encode(target.planes);
    target.number = number;
  }
  showPlanes(element("between"), await state.network.decode(mix(state.z, target.z, way)));
  showPlanes(element("blend"), mix(state.planes, target.planes, way));
});

// --- the beginning ---------------------------------------------------------------------------------------------------

element("no-server").remove(); // this program runs

async function loadDetectors() {
  const loading = (name) => (loaded, total) => {
    element("loading").hidden = false;
    element("progress").value = loaded / total;
    const mb = (bytes) => (bytes / 1e6).toFixed(0);
    element("loading-words").textContent = `Loading the ${name}: ${mb(loaded)} of ${mb(total)} MB, unpacked. You can draw already.`;
  };
  try {
    state.network ??= await Autoencoder.load(state.data.sizes, loading("network"));
    update();
    state.bank ??= await MemoryBank.load(state.data.sizes, loading("memory bank"));
    compareSoon();
  } catch (error) {
    problem(`${error.message} You can draw meanwhile.`, { retry: () => problem("") || loadDetectors() });
  }
  element("loading").hidden = true;
}

async function begin() {
  try {
    const response = await fetch("data.json").catch(() => null);
    if (!response?.ok) throw new Error("the connection was lost.");
    state.data = await response.json();
  } catch (error) {
    element("loading").hidden = true;
    return problem(`The playground could not start: ${error.message}`, { retry: () => location.reload() });
  }
  const { data } = state;
  element("limit-words").textContent = `The limit of the whole nut is stored with the run: ${data.held_out} held-out good nuts `
    + "chose it, by the rule of lesson 6.";
  if (matchMedia("(max-width: 800px)").matches) document.querySelector("input[name=over][value=heat]").checked = true;
  else document.querySelector("input[name=over][value=nothing]").checked = true;
  wireChoosing();
  wireDrawing();
  wireSharing();
  element("shown").onchange = showOver;
  element("tau").oninput = ({ target: { value } }) => setTau(Number(value)) || keepAddress();
  element("printed").onclick = () => setTau(data.tau.printed) || keepAddress();
  element("label-free").onclick = () => setTau(data.tau.label_free) || keepAddress();
  element("way").oninput = element("other").onchange = walkSoon;
  element("today").onclick = async () => {
    if (await chooseNut(nutOfTheDay(data.nuts, data.image_tau, new Date()))) done();
  };
  new ResizeObserver(measure).observe(element("histogram"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", measure);
  setTau(data.tau.printed);
  if (holdsDrawing()) await openAddress();
  else await chooseNut(0, address.read(EXAMPLE, 1).strokes);
  await loadDetectors();
}

// For the console, and for tests/book: playground.state, and await playground.idle()
window.playground = {
  state,
  pad,
  async idle() {
    const busy = () => !state.bank || resting || [update, compareSoon, walkSoon].some((one) => one.busy());
    for (const end = Date.now() + 300_000; busy(); await new Promise((resolve) => setTimeout(resolve, 5)))
      if (Date.now() > end) throw new Error(`The page is still busy. ${element("problem-words").textContent}`);
  },
};

begin();

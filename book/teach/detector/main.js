// Brings the page together. detector.js learns and judges (bank.js, coreset_worker.js), file.js saves and opens, camera.js
// and pictures.js bring pictures, batch.js judges several, panels.js explains, guide.js leads through a first run.

import { download } from "../../playground/picture.js";
import { showHeat, showNothing } from "../../playground/views.js";
import { promise } from "./bank.js";
import { Batch, MOST_AT_ONCE, call } from "./batch.js";
import { Camera } from "./camera.js";
import { Detector, LEAST, MOST } from "./detector.js";
import { beginGuide } from "./guide.js";
import { farthest, middleOf, patchAt, showCrop, showGrowth, showPlace, showScores } from "./panels.js";
import { decoded, droppedFiles, readPicture } from "./pictures.js";

const BURST = 10, BETWEEN = 300; // pictures, and milliseconds from one to the next
const UNDONE = 30; // actions that can be taken back
const ANNOUNCED = 3000; // milliseconds between two live verdicts that a screen reader says
const element = (id) => document.getElementById(id);

const state = {
  data: null, // data.json
  picture: null, // ImageData, what is shown
  name: "", // and where it comes from
  judged: null, // what the detector says of it
  passing: null, // { picture, name }, shown instead while good pictures are learnt in a row
  patch: null, // the place pointed at; null: the farthest
  frozen: false,
  own: false, // the good pictures are not the painted ones
  collecting: false, // a burst is under way, which the live pictures leave the processor to
  undo: [], // functions, the newest last
  working: 0, // tasks under way
  times: { example: [], live: [] }, // milliseconds
};
/** @type {Detector} */
let detector = null;
let restartGuide = () => {};
const camera = new Camera(element("video"));
const batch = new Batch({
  strip: element("batch"), words: element("batch-words"), again: element("batch-again"),
  judge: async (picture, name) => {
    camera.stop();
    state.patch = null;
    do await judge(picture, name);
    while (state.picture !== picture); // another one has come meanwhile
    return verdict();
  },
  hasLimit: () => Boolean(detector?.limit),
  thumbnail: (picture, onclick) => thumbnail(picture, task(onclick)),
});

// --- judging ---------------------------------------------------------------------------------------------------------

async function judge(picture, name) {
  const before = state.judged?.picture === picture ? state.judged : null;
  Object.assign(state, { picture, name });
  const judged = detector ? await detector.judge(picture, before) : null;
  if (state.picture !== picture) return; // another one has come meanwhile
  state.judged = judged;
  show();
}

// When the bank has changed; several changes are answered together.
let rejudging = false, again = false;

async function rejudge() {
  again = true;
  if (rejudging) return;
  rejudging = true;
  while (again) {
    again = false;
    if (state.picture) await judge(state.picture, state.name);
  }
  rejudging = false;
}

function show() {
  const { picture, name } = state.passing ?? state, judged = state.passing ? null : state.judged;
  element("caption").textContent = picture ? name : detector?.ready ? "Now show it a picture" : "No picture yet";
  if (picture) element("picture").getContext("2d").putImageData(picture, 0, 0);
  else showNothing(element("picture"));
  const reference = judged && (detector.limit ? detector.limit * detector.typical : judged.score);
  if (judged && element("heat").checked) showHeat(element("over"), null, judged.map, state.data.heat, { from: 0.75 * reference, to: 1.5 * reference });
  else showNothing(element("over"));
  const { words, numbers, refused } = verdict();
  element("verdict-words").textContent = words;
  element("verdict-numbers").textContent = numbers;
  element("verdict").classList.toggle("refused", refused);
  showScores(element("scores"), detector?.held ?? [], detector?.limit ?? null, score());
  showAlike();
  announce(`${words} ${numbers}`, words);
  enable();
}

const score = () => (state.judged && detector.typical ? detector.relative(state.judged.score) : null);

function verdict() {
  const value = score(), limit = detector?.limit ?? null;
  if (!state.picture || state.passing) return { words: "–", numbers: "", refused: false };
  if (value === null) return { words: "No verdict yet.", numbers: `It takes ${LEAST} good pictures.`, refused: false };
  const told = `score ${value.toFixed(2)}`;
  if (limit === null) return { words: "No verdict:", numbers: `${told}, without a limit`, refused: false };
  return { words: value > limit ? "Looks defective." : "Looks good.", numbers: `${told}, limit ${limit.toFixed(2)}`, refused: value > limit };
}

let said = "", saidAt = 0;

function announce(text, kind) {
  const live = camera.running && !state.frozen;
  if (live && (kind === said || performance.now() - saidAt < ANNOUNCED)) return;
  [said, saidAt] = [kind, performance.now()];
  element("status").textContent = text;
}

function showAlike() {
  const { judged, picture } = state;
  element("cell").hidden = element("likeness").hidden = !judged;
  if (!judged) return;
  const patch = state.patch ?? farthest(judged.distances), { x, y } = middleOf(patch), found = detector.nearest(judged, patch);
  Object.assign(element("cell").style, { left: `${(100 * (x + 0.5)) / 256}%`, top: `${(100 * (y + 0.5)) / 256}%` });
  showCrop(element("this"), picture, patch);
  if (found) {
    showCrop(element("that"), found.example.picture, found.place);
    showPlace(element("whole"), found.example.picture, found.place);
  }
  const distance = judged.distances[patch], relative = detector.typical ? ` ${detector.relative(distance).toFixed(2)} ×` : "";
  const place = state.patch === null ? "The place that is least like the bank" : "The place pointed at";
  const which = found ? `good picture ${detector.examples.indexOf(found.example) + 1}` : "a good patch whose picture the file does not hold";
  element("alike-words").textContent = `${place} is nearest to ${which}, ${relative ? `at${relative} the distance that the farthest places of good pictures have` : `distance ${distance.toFixed(2)}`}.`;
}

function point(patch) {
  state.patch = patch;
  showAlike();
}

// --- learning --------------------------------------------------------------------------------------------------------

function mustBeLoaded() {
  if (!detector) throw new Error("The network is still loading; try again in a moment.");
}

async function learn(picture) {
  mustBeLoaded();
  const begin = performance.now();
  await detector.add(picture);
  state.times.example.push(performance.now() - begin);
}

// Learns and shows what is learnt.
function pass(picture, name) {
  state.passing = { picture, name };
  show();
  return learn(picture);
}

// Whatever `work` adds is taken back by one press of Undo.
async function learnTogether(work) {
  mustBeLoaded();
  const before = new Set(detector.examples);
  try {
    await work();
  } finally {
    state.passing = null;
    show();
    const added = detector.examples.filter((example) => !before.has(example));
    if (added.length) undoable(() => detector.remove(added));
    await detector.settled();
  }
}

function undoable(work) { state.undo = [...state.undo, work].slice(-UNDONE); }

// What the detector tells whenever its examples, its bank or its limit change
let drawn = "";

function learned(what) {
  const { examples, held, typical } = detector, now = examples.map(({ number }) => number).join();
  element("count").textContent = examples.length;
  if (now !== drawn) showGallery(examples);
  drawn = now;
  showGrowth(element("growth"), examples.map(({ novelty }) => (novelty === null || !typical ? null : novelty / typical)));
  const newest = examples.at(-1);
  element("growth-words").textContent = detector.rows && newest
    ? `A bar for each good picture: how unlike the bank it was when it came. The bank holds ${detector.rows} patches; ${newest.rows} of them are from the newest picture.`
    : "A bar for each good picture: how unlike the bank it was when it came.";
  if (held.length >= LEAST) element("promise").textContent = promise(held);
  else if (!detector.fixed) element("promise").textContent = "Ten or more are better than three. Vary what may vary: turn the part, move it, exchange it.";
  if (what === "bank") batch.forget();
  what === "bank" && state.picture ? rejudge() : show();
}

const thumbnails = new Map(); // by the number of the example

function showGallery(examples) {
  examples.forEach((example, i) => {
    if (!thumbnails.has(example.number)) thumbnails.set(example.number, thumbnail(example.picture, () => remove(example)));
    call(thumbnails.get(example.number), `Good picture ${i + 1}: remove it`);
  });
  for (const number of thumbnails.keys()) if (!examples.some((example) => example.number === number)) thumbnails.delete(number);
  element("gallery").replaceChildren(...examples.map(({ number }) => thumbnails.get(number)));
}

function remove(example) {
  const place = detector.examples.indexOf(example) + 1;
  detector.remove([example]);
  undoable(() => detector.putBack([example]));
  element("status").textContent = `Good picture ${place} is removed. Undo brings it back.`;
  enable();
  element("undo").focus();
}

function thumbnail(picture, onclick) {
  const canvas = Object.assign(document.createElement("canvas"), { width: 256, height: 256 });
  canvas.getContext("2d").putImageData(picture, 0, 0);
  const button = Object.assign(document.createElement("button"), { type: "button", onclick });
  button.append(canvas);
  return button;
}

function enable() {
  const there = detector?.ready ?? false, live = camera.running;
  element("good").disabled = !detector || detector.fixed || !state.picture;
  element("good").textContent = there ? "This is good, too" : "This is good";
  element("burst").disabled = !detector || detector.fixed || !live;
  element("freeze").disabled = !live;
  element("keep").disabled = !state.picture;
  element("undo").disabled = !state.undo.length;
  element("clear").disabled = !there && !detector?.examples.length;
  element("save").disabled = !detector?.limit || detector.fixed;
  element("guide").hidden = live || (state.own && (there || state.passing !== null));
  element("camera").setAttribute("aria-pressed", live);
  element("freeze").setAttribute("aria-pressed", state.frozen);
}

// --- what happens on the page ----------------------------------------------------------------------------------------

// Runs what somebody asked for; its error becomes a sentence.
function task(work) {
  return async (...given) => {
    state.working++;
    problem("");
    try {
      return await work(...given);
    } catch (error) {
      problem(error.message);
    } finally {
      state.working--;
      enable();
    }
  };
}

function problem(words, retry = null) {
  element("problem").hidden = !words;
  element("problem-words").textContent = words;
  element("retry").hidden = !retry;
  element("retry").onclick = retry;
}

// One after the other; what cannot be read is told at the end.
async function each(files, work, enough = () => false) {
  const wrong = [], list = [...files].filter(({ name }) => !name.startsWith("."));
  for (const [i, file] of list.entries()) {
    const progress = (element("caption").textContent = `${i + 1} of ${list.length}: ${file.name}`);
    try {
      await work(await readPicture(file), file.name, progress);
    } catch (error) {
      wrong.push(error.message);
      if (enough()) break;
    }
  }
  if (wrong.length) throw new Error(wrong.length === 1 ? wrong[0] : `${wrong[0]} And ${wrong.length - 1} more.`);
}

const learnFiles = task((files) => {
  ownPictures(true);
  return learnTogether(() => each(files, (picture, _, progress) => pass(picture, progress), () => detector.fixed || detector.examples.length >= MOST));
});

const judgeFiles = task(async (files) => {
  camera.stop();
  state.patch = null;
  const several = files.length > 1;
  if (several) batch.clear();
  try {
    await each(files.slice(0, MOST_AT_ONCE), several ? (picture, name) => batch.add(name, picture) : judge);
  } finally {
    if (several) batch.sum();
    show();
  }
  if (files.length > MOST_AT_ONCE) throw new Error(`These are the first ${MOST_AT_ONCE} of ${files.length} files; choose the others after them.`);
});

// Whose own pictures are learnt needs no guide.
function ownPictures(own) {
  state.own = own;
  restartGuide();
}

const toggleCamera = task(async () => {
  state.frozen = false;
  if (camera.running) return camera.stop();
  await camera.start();
  state.patch = null;
  liveLoop();
});

// One picture after the other; a tab in the background gets no frames, so it computes nothing.
async function liveLoop() {
  while (camera.running) {
    await new Promise(requestAnimationFrame);
    if (state.frozen || state.collecting || document.hidden) continue;
    try {
      const begin = performance.now(), picture = await camera.picture();
      if (!picture || state.frozen) continue;
      await judge(picture, "Camera");
      if (state.judged) state.times.live.push(performance.now() - begin);
      if (state.times.live.length > 200) state.times.live.shift();
    } catch (error) {
      problem(`The camera's picture could not be judged: ${error.message}`);
    }
  }
  enable();
}

const burst = task(async () => {
  if (state.collecting) return;
  state.collecting = true;
  const collect = async () => {
    for (let i = 0; i < BURST && camera.running; i++) {
      await new Promise(requestAnimationFrame); // none comes in the background, so the burst waits
      const begin = performance.now(), picture = await camera.picture();
      if (picture) await pass(picture, `${i + 1} of ${BURST}`);
      element("status").textContent = `${i + 1} of ${BURST}`;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, BETWEEN + begin - performance.now())));
    }
  };
  try {
    await learnTogether(collect);
  } finally {
    state.collecting = false;
  }
});

function keepBeside() {
  if (!state.picture) return;
  const context = element("kept").getContext("2d"), { words, numbers } = verdict();
  context.drawImage(element("picture"), 0, 0);
  context.drawImage(element("over"), 0, 0);
  element("beside").hidden = false;
  element("kept-caption").textContent = `${words} ${numbers}`;
}

function startAnew() {
  const { examples } = detector;
  state.undo = examples.length ? [() => detector.putBack(examples)] : [];
  detector.clear();
}

const save = task(async () => {
  download(new Blob([await detector.save()]), "detector.safetensors");
  element("status").textContent = "Saved as detector.safetensors.";
});

const open = task(async (files) => {
  mustBeLoaded();
  ownPictures(true);
  await detector.open(await Promise.all([...files].map(async (file) => new Uint8Array(await file.arrayBuffer()))));
  state.undo = [];
  const { fixed, limit } = detector;
  if (fixed) element("promise").textContent = `The bank of the file is in use: ${detector.rows} patches. Its good pictures are not in the file, so it judges and learns nothing more.${limit ? "" : " It has no limit: open the thresholds.json of its run with it."}`;
});

async function paintedPicture({ folder }, { file }) {
  return decoded(new Uint8Array(await (await fetch(new URL(`${folder}/${file}`, import.meta.url))).arrayBuffer()));
}

async function showPainted(set) {
  const buttons = set.pictures.filter(({ learn: good }) => !good).map(async (one) => {
    const words = one.defect ? `A painted ${set.one} with a ${one.defect}` : `A good painted ${set.one}`, picture = await paintedPicture(set, one);
    const button = thumbnail(picture, task(async () => {
      camera.stop();
      state.patch = null;
      await judge(picture, words);
    }));
    call(button, `${words}: judge it`);
    return button;
  });
  element("painted").replaceChildren(...(await Promise.all(buttons)));
  element("painted").setAttribute("aria-label", `Painted ${set.folder} to judge`);
}

const learnPainted = task(async (set) => {
  camera.stop();
  Object.assign(state, { picture: null, judged: null, patch: null, own: false });
  if (detector.ready || detector.examples.length) startAnew();
  await showPainted(set);
  const good = set.pictures.filter(({ learn: one }) => one);
  await learnTogether(async () => {
    for (const [i, one] of good.entries()) {
      await pass(await paintedPicture(set, one), `${i + 1} of ${good.length} good ${set.folder}`);
    }
  });
});

function wire() {
  const press = { camera: toggleCamera, burst, save, clear: task(() => (ownPictures(false), startAnew())), keep: keepBeside, "batch-again": task(() => batch.repeat()) };
  for (const [id, work] of Object.entries(press)) element(id).onclick = work;
  element("good").onclick = task(() => learnTogether(() => learn(state.picture)));
  element("freeze").onclick = () => {
    state.frozen = !state.frozen;
    enable();
  };
  element("undo").onclick = task(() => state.undo.pop()?.());
  element("heat").onchange = show;
  const chosen = { "good-files": learnFiles, "good-folder": learnFiles, "judge-files": judgeFiles, open };
  for (const [id, work] of Object.entries(chosen)) {
    element(id).onchange = async ({ target }) => {
      if (target.files.length) await work([...target.files]);
      target.value = ""; // so that the same file can be chosen again
    };
  }
  const toLearn = (target) => !detector?.ready || element("learned").contains(target);
  const mark = (event) => {
    event.preventDefault();
    const dragged = event.type === "dragover";
    element("gallery").classList.toggle("over", dragged && toLearn(event.target));
    element("stack").classList.toggle("over", dragged && !toLearn(event.target));
  };
  for (const type of ["dragover", "dragleave", "drop"]) addEventListener(type, mark);
  addEventListener("drop", task(async ({ target, dataTransfer }) => {
    const files = await droppedFiles(dataTransfer);
    if (!files.length) return;
    if (files.some(({ name }) => name.endsWith(".safetensors"))) await open(files);
    else await (toLearn(target) ? learnFiles : judgeFiles)(files);
  }));
  const canvas = element("picture");
  canvas.onpointermove = canvas.onpointerdown = (event) => {
    if (event.type === "pointermove" && event.pointerType === "touch") return;
    point(patchAt((256 * event.offsetX) / canvas.clientWidth, (256 * event.offsetY) / canvas.clientHeight));
  };
  canvas.onpointerleave = ({ pointerType }) => pointerType === "touch" || point(null); // a finger's place stays
  canvas.onkeydown = (event) => {
    const { x, y } = middleOf(state.patch ?? (state.judged ? farthest(state.judged.distances) : 528));
    const move = { ArrowLeft: [-8, 0], ArrowRight: [8, 0], ArrowUp: [0, -8], ArrowDown: [0, 8] }[event.key];
    const key = { g: "good", f: "freeze", k: "keep" }[event.key.toLowerCase()];
    if (event.ctrlKey || event.metaKey || !(move || key)) return;
    event.preventDefault();
    if (key) return element(key).click();
    point(patchAt(x + move[0], y + move[1]));
    element("status").textContent = element("alike-words").textContent;
  };
  new ResizeObserver(() => detector && learned("limit")).observe(element("scores"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => detector && learned("limit"));
}

async function load() {
  problem("");
  element("loading").hidden = false;
  try {
    const response = await fetch(new URL("data.json", import.meta.url)).catch(() => null);
    if (!response?.ok) throw new Error("The connection was lost while data.json was loading.");
    state.data ??= await response.json();
    detector = await Detector.load(state.data.sizes, (loaded, total) => {
      element("progress").value = loaded / total;
      element("loading-words").textContent = `Loading the network: ${(loaded / 1e6).toFixed(0)} of ${(total / 1e6).toFixed(0)} MB, unpacked.`;
    });
    detector.changed = learned;
    const { sets } = state.data, buttons = ["guide-next", "guide-other"].map(element);
    await showPainted(sets[0]);
    restartGuide = beginGuide({ words: element("guide-words"), buttons, detector, sets, learnPainted, point, score, press: (i) => element("painted").children[i].onclick() });
    learned("limit");
  } catch (error) {
    problem(error.message, load);
  }
  element("loading").hidden = true;
}

// For the console, and for tests/book: teach.state, teach.detector(), await teach.idle(), await teach.score(3) of a painted part
window.teach = {
  state,
  detector: () => detector,
  camera,
  async score(number) {
    await teach.idle();
    element("painted").children[number].click();
    await teach.idle();
    return score();
  },
  async idle() {
    while (!element("loading").hidden || state.working || rejudging || detector?.busy) await new Promise((resolve) => setTimeout(resolve, 20));
  },
};

element("no-server").remove(); // this program runs
wire();
load();

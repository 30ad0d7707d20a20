// One nut to scratch, for the book's front page. The network loads when the nut is touched for the first time.
//
//   <link rel="stylesheet" href="playground/live.css">
//   <div id="live-nut"><img src="playground/nuts/00.png" width="256" height="256" alt="…"></div>
//   <script type="module" src="playground/live.js"></script>

import { write } from "./address.js";
import { Autoencoder } from "./autoencoder.js";
import { imageScore, residual } from "./measure.js";
import { Pad } from "./pad.js";
import { showHeat, showNothing } from "./views.js";

const NUT = 0;
const HEAT = { from: 0, to: 0.6 }; // of the residual, as in the playground
const here = (path) => new URL(path, import.meta.url).href;

async function begin(place) {
  const data = await (await fetch(here("data.json"))).json();
  const blob = await (await fetch(here(`nuts/${data.nuts[NUT].file}`))).blob();
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  place.innerHTML = `
    <div class="live-stack">
      <canvas class="live-nut-canvas" width="512" height="512" tabindex="0" role="application"
        aria-label="A hazelnut: scratch it with mouse or finger; with keys, arrows move the pen and space sets it down"></canvas>
      <canvas class="live-over" width="256" height="256" aria-hidden="true"></canvas>
    </div>
    <p class="live-words" role="status">Scratch the nut.</p>
    <p class="live-row"><button type="button">Clear</button> <a>All tools, all nuts: the playground</a></p>`;
  const [canvas, over] = place.querySelectorAll("canvas"), words = place.querySelector(".live-words");
  const link = place.querySelector("a"), say = (text) => (words.textContent = text);
  let network = null, loading = false, running = false, again = false, touched = false;

  const pad = new Pad(canvas, { brush: () => ({ tool: "scratch", size: 2, text: "" }), changed: update, done: finish });
  pad.setNut(bitmap);
  place.querySelector("button").onclick = () => pad.clear();
  touched = true;
  finish();

  function finish() {
    link.href = here(`index.html#${write({ nut: NUT, tau: null, strokes: pad.strokes })}`);
  }

  async function update() {
    if (!touched) return;
    again = true;
    if (!network) return load();
    if (running) return;
    running = true;
    while (again) {
      again = false;
      const { planes } = pad.read(), { reconstruction } = await network.reconstruct(planes);
      const map = residual(planes, reconstruction);
      const score = imageScore(map, data.image_score_pixels), verdict = score > data.image_tau ? "Throw away" : "Keep";
      pad.strokes.length ? showHeat(over, null, map, data.heat, HEAT) : showNothing(over);
      say(pad.strokes.length ? `${verdict}. Bright: where its reconstruction differs.` : "Scratch the nut.");
    }
    running = false;
  }

  async function load() {
    if (loading) return;
    loading = true;
    try {
      const progress = (loaded, total) => say(`Loading the network, once: ${Math.round((100 * loaded) / total)} %`);
      network = await Autoencoder.load(data.sizes, progress);
      update();
    } catch (error) {
      say(`${error.message} The next scratch tries again.`);
    }
    loading = false;
  }
}

const place = document.getElementById("live-nut");
if (place) begin(place).catch(() => {}); // without it the picture of the nut stays

// A canvas to draw on: strokes by mouse, finger and keys over a nut, with undo and redo. The page and the book's front page use it.

import { PIXELS, SIZE, objectMask, residual, toPlanes, visible } from "./measure.js";
import { paintStroke } from "./painting.js";
import { drawSmall } from "./photo.js";

const STEP = 2; // pixels that an arrow key moves the pen; four times as many with shift
const EARLIER = 200; // states that can be brought back

/** @typedef {import("./painting.js").Stroke} Stroke */
/**
 * @typedef {object} Wishes
 * @property {() => { tool: import("./painting.js").Tool, size: number, text: string }} brush what is chosen to draw with
 * @property {() => void} changed the picture is another one
 * @property {() => void} [done] a stroke has ended, or something was undone
 * @property {(key: string) => boolean} [onKey] takes keys that the pad does not know; true if it did something
 */

export class Pad {
  /** @type {Stroke[]} */ strokes = [];
  #past = [];
  #future = [];
  #pen = { x: 128, y: 110, down: false, shown: false }; // of the keyboard
  #base = small();
  #picture = small();
  #untouched = null; // the nut's planes
  #part = null; // where the nut is

  /**
   * @param {HTMLCanvasElement} canvas of any size
   * @param {Wishes} wishes
   */
  constructor(canvas, wishes) {
    this.canvas = canvas;
    this.wishes = wishes;
    this.#wirePointer();
    this.#wireKeys();
  }

  /** Is there a nut to draw on? */
  get ready() { return this.#untouched !== null; }

  /**
   * @param {ImageBitmap} bitmap a nut or a photograph, of which the middle square is taken
   * @param {Stroke[]} strokes on it
   * @param {boolean} photo nobody knows where its part is, so a finger draws everywhere on it
   */
  setNut(bitmap, strokes = [], photo = false) {
    this.#base.fillStyle = "#000";
    this.#base.fillRect(0, 0, SIZE, SIZE);
    drawSmall(this.#base, bitmap);
    this.#untouched = toPlanes(this.#base.getImageData(0, 0, SIZE, SIZE).data);
    this.#part = photo ? new Uint8Array(PIXELS).fill(1) : objectMask(this.#untouched);
    this.#past = strokes.length ? [[]] : [];
    this.#future = [];
    this.#show(strokes);
  }

  /**
   * The picture as it is now.
   * @returns {{ planes: Float32Array, change: Float32Array, drawn: Uint8Array, part: Uint8Array }} the image, how much
   *   each pixel differs from the untouched nut, where it visibly does, and where the nut is
   */
  read() {
    const planes = toPlanes(this.#picture.getImageData(0, 0, SIZE, SIZE).data);
    const change = residual(planes, this.#untouched);
    return { planes, change, drawn: visible(change), part: this.#part };
  }

  /** @param {Stroke[]} strokes drawn instead of those that are there; undo brings these back */
  replace(strokes) {
    this.#remember();
    this.#show(strokes);
    this.wishes.done?.();
  }

  clear() { if (this.strokes.length) this.replace([]); }

  undo() { this.#step(this.#past, this.#future); }

  redo() { this.#step(this.#future, this.#past); }

  #step(from, to) {
    if (!from.length) return;
    to.push(this.strokes);
    this.#pen.down = false;
    this.#show(from.pop());
    this.wishes.done?.();
  }

  #remember() {
    this.#past = [...this.#past, this.strokes].slice(-EARLIER);
    this.#future = [];
  }

  #show(strokes) {
    this.strokes = strokes;
    this.#picture.drawImage(this.#base.canvas, 0, 0);
    for (const stroke of strokes) paintStroke(this.#picture, stroke);
    this.draw();
    this.wishes.changed();
  }

  /** Shows the picture, and the keyboard's pen where it is used. */
  draw() {
    const context = this.canvas.getContext("2d"), side = this.canvas.width, enlarged = side / SIZE;
    context.drawImage(this.#picture.canvas, 0, 0, side, side);
    if (!this.#pen.shown) return;
    for (const [colour, width] of [["#000", 5], ["#fff", 2]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.arc(enlarged * this.#pen.x, enlarged * this.#pen.y, this.#pen.down ? 5 : 11, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  #begin(x, y) {
    this.#remember();
    this.#show([...this.strokes, { ...this.wishes.brush(), points: [rounded(x, y)] }]);
  }

  #lengthen(x, y) {
    const stroke = this.strokes.at(-1), point = rounded(x, y);
    if (stroke.tool === "letters") stroke.points = [point]; // letters follow the pen
    else if (String(point) !== String(stroke.points.at(-1))) stroke.points.push(point);
    else return;
    this.#show(this.strokes);
  }

  #place({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    return [((clientX - box.left) / box.width) * SIZE, ((clientY - box.top) / box.height) * SIZE];
  }

  #onPart(x, y) { return !this.#part || this.#part[SIZE * Math.floor(y) + Math.floor(x)] === 1; }

  #wirePointer() {
    const canvas = this.canvas;
    let pointer = null;
    // A finger that begins beside the nut scrolls the page; on the nut it draws.
    canvas.addEventListener("touchstart", (event) => {
      if (event.touches.length === 1 && this.#onPart(...this.#place(event.touches[0]))) event.preventDefault();
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      const place = this.#place(event);
      if (event.button || pointer !== null || (event.pointerType === "touch" && !this.#onPart(...place))) return;
      pointer = event.pointerId;
      canvas.setPointerCapture(pointer);
      this.#pen = { ...this.#pen, shown: false, down: false };
      this.#begin(...place);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerId === pointer) this.#lengthen(...this.#place(event));
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => {
        if (event.pointerId !== pointer) return;
        pointer = null;
        this.wishes.done?.();
      });
    }
  }

  #wireKeys() {
    const canvas = this.canvas;
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const step = event.shiftKey ? 4 * STEP : STEP, pen = this.#pen, key = event.key.toLowerCase();
      const move = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] }[key];
      const within = (value) => Math.min(SIZE - 1, Math.max(0, value));
      pen.shown = true;
      if (move) {
        pen.x = within(pen.x + step * move[0]);
        pen.y = within(pen.y + step * move[1]);
        if (pen.down) this.#lengthen(pen.x, pen.y);
        else this.draw();
      } else if (key === " ") {
        pen.down = !pen.down;
        if (pen.down) this.#begin(pen.x, pen.y);
        else {
          this.draw();
          this.wishes.done?.();
        }
      } else if (key === "u") this.undo();
      else if (key === "c") this.clear();
      else if (!this.wishes.onKey?.(key)) return;
      event.preventDefault();
      event.stopPropagation(); // in the book, arrow keys turn the page
    });
    canvas.addEventListener("focus", () => {
      this.#pen.shown = canvas.matches(":focus-visible");
      this.draw();
    });
    canvas.addEventListener("blur", () => {
      this.#pen = { ...this.#pen, shown: false, down: false };
      this.draw();
    });
  }
}

// Points lie on half pixels, and on the picture, so that an address holds them exactly.
function rounded(...place) { return place.map((value) => Math.min(255.5, Math.max(0, Math.round(2 * value) / 2))); }

function small() {
  return new OffscreenCanvas(SIZE, SIZE).getContext("2d", { willReadFrequently: true });
}

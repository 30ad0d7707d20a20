// The camera: the middle square of its picture, at 256 x 256 pixels. Nothing is recorded.

import { drawSmall } from "../../playground/photo.js";

const SIDE = 256;
const OTHERWISE = "Files work all the same: “Good files” and “Files to judge”.";
const REASONS = {
  NotAllowedError: "This page may not use the camera: allow it in the browser's address line, then try again.",
  NotFoundError: "No camera was found.",
  NotReadableError: "The camera is busy: close the program that uses it, then try again.",
};

export class Camera {
  #video;
  #context = new OffscreenCanvas(SIDE, SIDE).getContext("2d", { willReadFrequently: true });

  /** @param {HTMLVideoElement} video */
  constructor(video) { this.#video = video; }

  get running() { return Boolean(this.#video.srcObject); }

  /**
   * Opens the camera, on a phone the one at its back.
   * @throws {Error} with a sentence for the reader
   */
  async start() {
    if (!navigator.mediaDevices) {
      throw new Error(`The browser gives a camera only to pages with https, or from this computer. ${OTHERWISE}`);
    }
    const wanted = { facingMode: { ideal: "environment" }, width: { ideal: 640 }, height: { ideal: 480 } };
    try {
      this.#video.srcObject = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
      await this.#video.play();
    } catch (error) {
      this.stop();
      throw new Error(`${REASONS[error.name] ?? `The camera does not start (${error.message}).`} ${OTHERWISE}`);
    }
  }

  stop() {
    for (const track of this.#video.srcObject?.getTracks() ?? []) track.stop();
    this.#video.srcObject = null;
  }

  /** @returns {Promise<ImageData | null>} null while there is no picture yet */
  async picture() {
    if (!this.running || this.#video.readyState < 2) return null;
    const bitmap = await createImageBitmap(this.#video);
    drawSmall(this.#context, bitmap);
    bitmap.close();
    return this.#context.getImageData(0, 0, SIDE, SIDE);
  }
}

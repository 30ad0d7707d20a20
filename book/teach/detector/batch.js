// Several pictures judged in a row: a strip of them, marked by what was said of each.

export const MOST_AT_ONCE = 100; // pictures; one takes 0.3 MB

export class Batch {
  #strip;
  #words;
  #again;
  #judge;
  #hasLimit;
  #thumbnail;
  #entries = []; // { name, picture, button, refused }

  /**
   * @param {object} page
   * @param {HTMLElement} page.strip
   * @param {HTMLElement} page.words
   * @param {HTMLButtonElement} page.again
   * @param {(picture: ImageData, name: string) => Promise<{ words: string, numbers: string, refused: boolean }>} page.judge
   * @param {() => boolean} page.hasLimit
   * @param {(picture: ImageData, onclick: () => void) => HTMLButtonElement} page.thumbnail
   */
  constructor({ strip, words, again, judge, hasLimit, thumbnail }) {
    [this.#strip, this.#words, this.#again] = [strip, words, again];
    [this.#judge, this.#hasLimit, this.#thumbnail] = [judge, hasLimit, thumbnail];
  }

  clear() {
    this.#entries = [];
    this.#strip.replaceChildren();
    this.#tell("");
  }

  /**
   * @param {string} name
   * @param {ImageData} picture
   */
  async add(name, picture) {
    const entry = { name, picture, refused: false, button: this.#thumbnail(picture, () => this.#mark(entry)) };
    this.#entries.push(entry);
    this.#strip.append(entry.button);
    await this.#mark(entry);
  }

  /** Says how many look defective. */
  sum() {
    const defective = this.#entries.filter(({ refused }) => refused).length, count = this.#entries.length;
    if (!count) this.#tell("");
    else if (!this.#hasLimit()) this.#tell("There is no limit yet, so there are no verdicts.");
    else this.#tell(`Of ${count} pictures ${defective} look${defective === 1 ? "s" : ""} defective. Press one to see where.`);
  }

  /** The bank has changed: what was said holds no longer. */
  forget() {
    if (!this.#entries.length) return;
    for (const { button, name } of this.#entries) {
      button.classList.remove("refused");
      call(button, `${name}: judge it`);
    }
    this.#tell("The bank has changed since these were judged.", true);
  }

  async repeat() {
    for (const entry of this.#entries) await this.#mark(entry);
    this.sum();
  }

  async #mark(entry) {
    const { words, numbers, refused } = await this.#judge(entry.picture, entry.name);
    entry.refused = refused;
    entry.button.classList.toggle("refused", refused);
    call(entry.button, `${entry.name}: ${words} ${numbers}`);
  }

  #tell(words, again = false) {
    this.#words.textContent = words;
    this.#again.hidden = !again;
    this.#strip.hidden = !this.#entries.length;
  }
}

/** Names a button that shows a picture only. */
export function call(button, words) {
  button.title = words;
  button.setAttribute("aria-label", words);
}

// Why a nut is kept or thrown away, in words; and the game of fooling the network.

/**
 * @typedef {object} Facts
 * @property {boolean} photo a photograph instead of a painted nut
 * @property {string | null} defect the nut's own, painted with it
 * @property {number} untouched its score before anything is drawn
 * @property {number} score its score now
 * @property {number} limit above which it is thrown away
 * @property {number} falseAlarms the share of good nuts that the limit may refuse
 * @property {number} heldOut good nuts from which the limit was chosen
 * @property {number} pixels of the mean that is the score
 * @property {number} drawn pixels
 * @property {number | null} change the median of how much they differ from the untouched nut
 * @property {number} tau
 * @property {string[]} tools with which they were drawn
 * @property {boolean | null} bankRefuses whether the memory bank throws the nut away; null while it is not known
 */

/**
 * One or two sentences about a verdict that may surprise; "" where it explains itself.
 * @param {Facts} facts
 */
export function explain(facts) {
  const { photo, defect, untouched, score, limit, drawn, change, tau, pixels } = facts, refused = score > limit;
  if (photo) return "The limit was chosen for painted hazelnuts. Of a photograph it says nothing.";
  if (!drawn && !defect && refused) {
    return `A false alarm: this good nut is refused, and nobody has drawn on it. The limit was set, with ${facts.heldOut} other `
      + `good nuts, so that 1 good nut in ${Math.round(1 / facts.falseAlarms)} may exceed it; a higher one would let more defects pass.`;
  }
  if (!drawn && defect && !refused) return `Missed: the ${defect} of this nut does not lift the score above the limit.`;
  if (drawn && !defect && untouched > limit) {
    return "This good nut was refused before you drew: a false alarm. What you draw decides nothing here.";
  }
  if (!drawn || refused) return "";
  if (change <= tau) {
    const dirt = facts.tools.includes("dirt") ? "The colour of dirt is near to the shell's. " : "";
    const bank = facts.bankRefuses ? " The memory bank, which compares whole patches, throws the nut away." : "";
    return `${dirt}Half of your pixels differ from the untouched nut by ${change.toFixed(2)} or less, and τ is `
      + `${tau.toFixed(2)}: even a perfect picture of the good nut would leave them unmarked.${bank}`;
  }
  if (drawn < pixels) return `The score is the mean of the ${pixels} largest residuals, and you changed only ${drawn} pixels.`;
  return `It passes: the ${pixels} largest residuals have a mean of ${score.toFixed(3)}, and the limit is ${limit.toFixed(3)}.`;
}

/** @typedef {{ pixels: number, drawing: string }} Attempt a defect's size, and its strokes as an address holds them */
/** @typedef {{ passed: Attempt | null, caught: Attempt | null }} Best the largest that passed, the smallest that was caught */

/**
 * What is best after one more attempt.
 * @param {Best} best
 * @param {Attempt} attempt
 * @param {boolean} refused
 * @returns {Best}
 */
export function better(best, attempt, refused) {
  if (!attempt.pixels) return best;
  if (refused) return !best.caught || attempt.pixels < best.caught.pixels ? { ...best, caught: attempt } : best;
  return !best.passed || attempt.pixels > best.passed.pixels ? { ...best, passed: attempt } : best;
}

/**
 * How many times as large as the smallest defect that is caught is the largest that passes? null without one of them.
 * @param {Best} best
 */
export function points({ passed, caught }) {
  return passed && caught ? passed.pixels / caught.pixels : null;
}

/**
 * The number of the nut of a day: a good one that passes untouched, the same for everybody.
 * @param {{ defect: string | null, score: number }[]} nuts
 * @param {number} limit
 * @param {Date} date
 */
export function nutOfTheDay(nuts, limit, date) {
  const fair = nuts.flatMap((nut, number) => (isFair(nut, limit) ? [number] : []));
  return fair[Math.floor(date.getTime() / 86_400_000) % fair.length];
}

/**
 * Can a game be played on this nut? Only if it is good and passes untouched.
 * @param {{ defect: string | null, score: number }} nut
 * @param {number} limit
 */
export function isFair(nut, limit) { return !nut.defect && nut.score <= limit; }

const KEY = "hazelnut-fooled";

/**
 * @param {number} nut
 * @returns {Best} what this browser remembers of a nut
 */
export function remembered(nut) {
  const whole = (attempt) => Number.isFinite(attempt?.pixels) && typeof attempt.drawing === "string" ? attempt : null;
  try {
    const { passed, caught } = JSON.parse(localStorage.getItem(KEY) || "{}")[nut] || {};
    return { passed: whole(passed), caught: whole(caught) };
  } catch {
    return { passed: null, caught: null }; // no storage, or what is stored is not ours
  }
}

/**
 * @param {number} nut
 * @param {Best} best
 */
export function remember(nut, best) {
  try {
    const all = JSON.parse(localStorage.getItem(KEY) || "{}");
    localStorage.setItem(KEY, JSON.stringify({ ...all, [nut]: best }));
  } catch {
    // Where nothing may be stored the game is forgotten with the page.
  }
}

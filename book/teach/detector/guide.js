// A first run for those who have no part at hand, a sentence and a button at a time.

/** @typedef {{ folder: string, one: string, pictures: { file: string, defect: string | null, learn: boolean }[] }} PaintedSet */

/**
 * @param {object} page
 * @param {HTMLElement} page.words
 * @param {HTMLButtonElement[]} page.buttons the first goes on; at the beginning each takes a set of its own
 * @param {import("./detector.js").Detector} page.detector
 * @param {PaintedSet[]} page.sets
 * @param {(set: PaintedSet) => Promise<void>} page.learnPainted
 * @param {(number: number) => Promise<void>} page.press judges a painted part: even ones are good
 * @param {(patch: number | null) => void} page.point
 * @param {() => number | null} page.score
 * @returns {() => void} begins again
 */
export function beginGuide({ words, buttons, detector, sets, learnPainted, press, point, score }) {
  let step = 0, set = sets[0];
  const told = () => `Its score is ${score()?.toFixed(2) ?? "–"}, the limit ${detector.limit?.toFixed(2) ?? "–"}.`;
  const defective = (number) => `A ${set.one} with a ${set.pictures.filter(({ learn }) => !learn)[number].defect}`;
  const steps = [
    { says: () => "No part at hand? Let it learn from painted ones first:", next: () => `Painted ${sets[0].folder}`, does: () => learnPainted(set) },
    { says: () => `It has looked at ${detector.examples.length} good ${set.folder} and keeps ${detector.rows} of their patches. Nothing was trained. Now a good ${set.one} that it has not seen.`, next: () => `A good ${set.one}`, does: () => press(0) },
    { says: () => `${told()} A score of 1 is an average good ${set.one}. Now a defective one.`, next: () => defective(1), does: () => press(1) },
    { says: () => `${told()} What glows is unlike every good patch. The square is at the least like one; “This looks most like that” shows its nearest patch. Point at another place.`, next: () => defective(3), does: () => press(3) },
    { says: () => `${told()} Now your own part: “Start anew” forgets the ${set.folder}; then the camera, or files.`, next: () => "Once more", does: () => point(null) },
  ];
  const say = () => {
    words.textContent = steps[step].says();
    buttons.forEach((button, i) => {
      button.textContent = i ? `Painted ${sets[i].folder}` : steps[step].next();
      button.hidden = i > 0 && step > 0;
      button.disabled = false;
    });
  };
  buttons.forEach((button, i) => {
    button.onclick = async () => {
      if (step === 0) set = sets[i];
      for (const one of buttons) one.disabled = true;
      await steps[step].does();
      step = (step + 1) % steps.length;
      say();
      buttons[0].focus({ preventScroll: true });
    };
  });
  say();
  return () => {
    if (buttons[0].disabled) return; // a step is under way
    step = 0;
    say();
  };
}

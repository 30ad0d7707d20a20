// A first run for those who have no part at hand, a sentence and a button at a time.

/**
 * @param {object} page
 * @param {HTMLElement} page.words
 * @param {HTMLButtonElement} page.button
 * @param {import("./detector.js").Detector} page.detector
 * @param {() => Promise<void>} page.learnPainted
 * @param {(number: number) => void} page.press shows a painted nut: even ones are good
 * @param {(patch: number | null) => void} page.point
 * @param {() => number | null} page.score
 */
export function beginGuide({ words, button, detector, learnPainted, press, point, score }) {
  const told = () => `Its score is ${score()?.toFixed(2) ?? "–"}, the limit ${detector.limit?.toFixed(2) ?? "–"}.`;
  const shown = (number) => async () => {
    press(number);
    await new Promise((resolve) => setTimeout(resolve, 400));
  };
  const steps = [
    { says: () => "No part at hand? Let it learn from painted hazelnuts first.", next: "Begin with painted nuts", does: learnPainted },
    { says: () => `It has looked at ${detector.examples.length} good nuts and keeps ${detector.rows} of their patches. Nothing was trained. Now a good nut that it has not seen.`, next: "A good nut", does: shown(0) },
    { says: () => `${told()} A score of 1 is an average good nut. Now one that is cracked.`, next: "A cracked nut", does: shown(1) },
    { says: () => `${told()} What glows is unlike every good patch. The square is at the least like one: below the good pictures you see its nearest patch. Point at another place.`, next: "A nut with a hole", does: shown(3) },
    { says: () => `${told()} Now your own part: “Start anew” forgets the nuts; then the camera, or files.`, next: "Once more", does: () => point(null) },
  ];
  let step = 0;
  const say = () => {
    words.textContent = steps[step].says();
    button.textContent = steps[step].next;
  };
  button.disabled = false;
  button.onclick = async () => {
    button.disabled = true;
    await steps[step].does();
    step = (step + 1) % steps.length;
    button.disabled = false;
    say();
  };
  say();
}

"use strict";
(() => {
  const { scores, held_out: heldOut, tau: own, low, high } = JSON.parse(document.getElementById("data").textContent);
  const get = (id) => document.getElementById(id);
  const cards = [...document.querySelectorAll("article")]; // in the order of scores, which falls
  const slider = get("slider"), images = get("images");
  const above = (sorted, tau) => { // how many exceed τ, of numbers that fall
    let from = 0, to = sorted.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (sorted[middle] > tau) from = middle + 1; else to = middle;
    }
    return from;
  };
  const whole = (number) => number.toLocaleString("en");
  let tau = own, marked = cards.filter((card) => card.className === "defective").length, waiting = false;

  function show() {
    waiting = false;
    const count = above(scores, tau), good = scores.length - count, place = 1000 * (tau - low) / (high - low);
    const first = Math.min(count, marked), last = Math.min(Math.max(count, marked), cards.length);
    for (let i = first; i < last; i++) cards[i].className = i < count ? "defective" : "good"; // only those between
    marked = Math.min(count, cards.length);
    get("headline").textContent = `${whole(count)} of ${whole(scores.length)} images defective`;
    document.title = get("headline").textContent;
    const alarms = heldOut.length ? `; of the ${heldOut.length} held-out good images ${above(heldOut, tau)} would be called defective` : "";
    get("said").textContent = `${whole(count)} defective, ${whole(good)} good${alarms}`;
    get("tau").textContent = String(+tau.toPrecision(4));
    get("defective").textContent = whole(count);
    get("good").textContent = whole(good);
    get("line").setAttribute("transform", `translate(${place} 0)`);
    const [below, over] = document.querySelectorAll("clipPath rect");
    below.setAttribute("width", Math.max(0, place));
    over.setAttribute("x", place);
    over.setAttribute("width", Math.max(0, 1000 - place));
    get("reset").hidden = get("moved").hidden = tau === own;
    get("option").textContent = `--image-tau ${+tau.toPrecision(6)}`;
    filter();
  }

  function filter() {
    const wanted = document.querySelector("input[name=filter]:checked").value;
    images.className = wanted === "all" ? "" : `only-${wanted}`;
    images.classList.toggle("heated", get("heatmaps").checked);
    const left = { all: cards.length, defective: marked, good: cards.length - marked }[wanted];
    get("none").hidden = left > 0;
  }

  slider.addEventListener("input", () => {
    tau = low + (high - low) * slider.value / 1000;
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(show); // at most once a frame, however fast it is dragged
  });
  get("reset").addEventListener("click", () => {
    tau = own;
    slider.value = 1000 * (own - low) / (high - low);
    show();
    slider.focus();
  });
  for (const input of document.querySelectorAll("nav input")) input.addEventListener("change", filter);
  document.querySelector("input[name=filter]").checked = true; // a reload must not keep half of an old state
  get("heatmaps").checked = false;
  slider.value = 1000 * (own - low) / (high - low);
  show();
})();

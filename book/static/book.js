// Names for a screen reader that the theme's markup lacks: a folder of the contents, a fold, the search button.
addEventListener("DOMContentLoaded", () => {
  for (const summary of document.querySelectorAll("summary")) {
    if (summary.textContent.trim()) summary.removeAttribute("aria-label");
    else summary.setAttribute("aria-label", "Show or hide the pages below");
  }
  for (const button of document.querySelectorAll(".search-button__button"))
    if (button.textContent.trim()) button.removeAttribute("aria-label"); // it says more than the label does
});

// A question's choice is judged at once; the reason unfolds with the right one.
addEventListener("change", ({ target }) => {
  const question = target.closest?.(".question");
  if (!question) return;
  const right = "right" in target.dataset;
  question.querySelector(".verdict").textContent = right ? "Right." : "Not this one. Try again, or open the answer.";
  question.classList.toggle("is-right", right);
  if (right) question.querySelector("details").open = true;
});

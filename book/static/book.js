// Names for a screen reader that the theme's markup lacks: a folder of the contents, a fold, the search button.
addEventListener("DOMContentLoaded", () => {
  for (const summary of document.querySelectorAll("summary")) {
    if (summary.textContent.trim()) summary.removeAttribute("aria-label");
    else summary.setAttribute("aria-label", "Show or hide the pages below");
  }
  for (const button of document.querySelectorAll(".search-button__button"))
    if (button.textContent.trim()) button.removeAttribute("aria-label"); // it says more than the label does
});

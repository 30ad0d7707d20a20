// Sphinx's scores of a search, and more for a page whose title or headings have the words that were asked for.
var Scorer = {
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
  score: ([page, title, , , score]) => {
    const asked = new URLSearchParams(location.search).get("q") ?? "";
    const words = asked.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(word => word.length > 2);
    const number = Search._index.docnames.indexOf(page);
    const headings = Object.entries(Search._index.alltitles)
      .filter(([, places]) => places.some(([where]) => where === number)).map(([heading]) => heading.toLowerCase());
    const inTitle = words.filter(word => title.toLowerCase().includes(word)).length;
    return score + 2 * inTitle + words.filter(word => headings.some(heading => heading.includes(word))).length;
  },
};

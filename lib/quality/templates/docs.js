"use strict";
/* Draws the graphs of a page of the data docs. */
for (const block of document.querySelectorAll("script[data-graph]")) {
  const place = document.getElementById(block.dataset.graph);
  try {
    /* ast: expressions are interpreted, so that the page need not allow eval. */
    vegaEmbed(place, JSON.parse(block.textContent), {actions: false, ast: true});
  } catch {
    /* A number that JSON does not have, such as NaN. */
    place.textContent = "This graph cannot be shown.";
  }
}

"use strict";
/* Draws the charts, and opens the section of a run that is clicked or that the address names. */
function show(id) {
  const section = document.getElementById(id);
  if (!(section instanceof HTMLDetailsElement)) return;
  section.open = true;
  section.scrollIntoView();
  section.querySelector("summary").focus({preventScroll: true});
}

function follow() { show(window.location.hash.slice(1)); }

function clicked(event, item) {
  /* The id of the run is the last word of what its column is called. */
  const run = item && item.datum && item.datum.run;
  if (!run) return;
  const id = "run-" + encodeURIComponent(run.slice(run.lastIndexOf(" ") + 1));
  if (window.location.hash.slice(1) === id) show(id);
  else window.location.hash = id;
}

const theme = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
for (const block of document.querySelectorAll("script[data-chart]")) {
  /* ast: expressions are interpreted, so that the page need not allow eval. */
  const options = {mode: "vega-lite", renderer: "svg", actions: false, ast: true, tooltip: {theme}};
  vegaEmbed("#" + block.dataset.chart, JSON.parse(block.textContent), options)
    .then(drawn => {
      drawn.view.addEventListener("click", clicked);
      /* The chart has one name, for the whole; its numbers are below, run by run. */
      drawn.view.container().querySelector("svg").setAttribute("aria-hidden", "true");
    });
}

window.addEventListener("hashchange", follow);
follow();

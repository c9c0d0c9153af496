"use strict";
/* What a page of the data docs does beside what its libraries do. The functions are named as the options of GX's tables name them. */
function rowStyleLinks() { return {css: {cursor: "pointer"}}; }
function rowAttributesLinks(row) { return {"class": "clickable-row", "data-href": row._table_row_link_path}; }
function expectationSuiteNameFilterDataCollector(value, row) { return row._expectation_suite_name_sort; }
function validationSuccessFilterDataCollector(value, row) { return row._validation_success_text; }
function formatRuntimeDateForFilter(text, value) { return text === new Date(value).toISOString().slice(0, 10); }

for (const block of document.querySelectorAll("script[data-table]")) {
  const content = JSON.parse(block.textContent);
  const id = "#" + block.dataset.table;
  $(id).bootstrapTable(Object.assign({columns: content.columns, data: content.data, toolbar: id + "-toolbar"}, content.options));
  $(id).on("click-row.bs.table", (event, row) => { window.location.href = row._table_row_link_path; });
}

/* Once the page is ready, for bootstrap-table writes its cells anew then. */
$(() => {
  for (const block of document.querySelectorAll("script[data-graph]")) {
    const place = "#" + block.dataset.graph;
    try {
      /* ast: expressions are interpreted, so that the page need not allow eval. */
      vegaEmbed(place, JSON.parse(block.textContent), {actions: false, ast: true});
    } catch {
      /* A number that JSON does not have, such as NaN. */
      $(place).text("This graph cannot be shown.");
    }
  }
});

for (const button of document.querySelectorAll("[data-clear]")) {
  button.addEventListener("click", () => {
    $("#" + button.dataset.clear).bootstrapTable("clearFilterControl").bootstrapTable("resetSearch");
  });
}

for (const button of document.querySelectorAll("[data-show]")) {
  button.addEventListener("click", () => {
    const all = button.dataset.show === "all";
    $(".hide-succeeded-validation-target-child").parent().toggle(all);
    $(".hide-succeeded-validation-target").toggle(all);
    $(".hide-succeeded-validations-column-section-target-child").parent().parent().each((index, section) => {
      $(section).toggle(all);
      $('a[href="#' + section.id + '"]').toggle(all);
    });
  });
}


"use strict";
(() => {
  const table = document.querySelector("table");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const headings = Array.from(table.tHead.rows[0].cells);
  const form = document.querySelector("form");
  const search = document.querySelector("#search");
  const count = document.querySelector("[role=status]");
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const state = { column: 0, order: "ascending", query: "" };
  let texts = null;

  // Case, accents and forms of one letter make no difference.
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

  function sort(column, order) {
    const numeric = headings[column].dataset.kind === "number";
    const sign = order === "ascending" ? 1 : -1;
    const keyed = rows.map((row, place) => {
      const value = row.cells[column].dataset.sort;
      const key = value !== undefined && numeric ? Number(value) : value;
      return { row, place, key, group: row.dataset[headings[column].dataset.group] ?? "" };
    });
    keyed.sort((a, b) => {
      if (a.key === undefined || b.key === undefined) { // rows without a value stay last
        return (a.key === undefined) - (b.key === undefined) || a.place - b.place;
      }
      const groups = collator.compare(a.group, b.group); // values of two groups do not compare
      if (groups) return groups;
      const difference = numeric ? a.key - b.key : collator.compare(a.key, b.key);
      return sign * difference || a.place - b.place;
    });
    const sorted = document.createDocumentFragment();
    for (const { row } of keyed) sorted.append(row);
    body.append(sorted);
    headings.forEach((heading, place) => {
      heading.setAttribute("aria-sort", place === column ? order : "none");
    });
    Object.assign(state, { column, order });
    mark();
  }

  // A line above each group, if several are shown.
  function mark() {
    const name = headings[state.column].dataset.group;
    let before = null;
    const first = Array.from(body.rows).filter((row) => {
      const of = name && !row.hidden && row.cells[state.column].dataset.sort && row.dataset[name];
      const begins = of && of !== before;
      before = of || before;
      return begins;
    });
    rows.forEach((row) => delete row.dataset.group);
    if (first.length > 1) for (const row of first) row.dataset.group = row.dataset[name];
  }

  function filter(query) {
    texts ??= rows.map((row) => {
      const path = row.querySelector("[title]");
      const parts = Array.from(row.cells, (cell) => cell.textContent);
      return plain([...parts, path ? path.title : ""].join(" "));
    });
    const words = plain(query).split(/\s+/).filter(Boolean);
    let found = 0;
    rows.forEach((row, place) => {
      row.hidden = !words.every((word) => texts[place].includes(word));
      found += !row.hidden;
    });
    const all = rows.length.toLocaleString("en");
    const noun = rows.length === 1 ? "result" : "results";
    count.textContent = words.length
      ? `${found.toLocaleString("en")} of ${all} ${noun}` : `${all} ${noun}`;
    state.query = query;
    mark();
  }

  // The way back from a picture leads to the page as it was.
  const remember = () => history.replaceState(state, "");

  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const now = heading.getAttribute("aria-sort");
      const other = now === "ascending" ? "descending" : "ascending";
      sort(column, now === "none" ? heading.dataset.first : other);
      remember();
    });
  });
  search.addEventListener("input", () => filter(search.value));
  search.addEventListener("change", remember);
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    search.value = "";
    filter("");
    remember();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target === search) return;
    event.preventDefault();
    search.focus();
    search.select();
  });

  form.hidden = false;
  const before = history.state;
  if (before) {
    sort(before.column, before.order);
    search.value = before.query;
  }
  if (search.value) filter(search.value); // a browser may restore the field by itself
})();

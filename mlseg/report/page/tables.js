// Sorting, filtering, and choosing what is shown of the tables and figures.

const collator = new Intl.Collator("en", { numeric: true });

function sortTable(table, head) {
  const index = head.cellIndex;
  const button = head.querySelector("button");
  const before = head.getAttribute("aria-sort");
  const other = { ascending: "descending", descending: "ascending" };
  const order = other[before] ?? button.dataset.first;
  const sign = order === "ascending" ? 1 : -1;
  const numbers = head.classList.contains("number");
  const keyed = [...table.tBodies[0].rows].map((row) => {
    const text = row.cells[index].textContent.trim();
    return { row, key: numbers ? parseFloat(text) : text };
  });
  keyed.sort((one, two) => {
    if (!numbers) return sign * collator.compare(one.key, two.key);
    // What is undefined comes last, however the table is sorted.
    if (Number.isNaN(one.key) || Number.isNaN(two.key)) return Number.isNaN(one.key) - Number.isNaN(two.key);
    return sign * (one.key - two.key);
  });
  for (const cell of table.tHead.rows[0].cells) if (cell.hasAttribute("aria-sort")) cell.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", order);
  table.tBodies[0].append(...keyed.map((one) => one.row));
}

function makeSortable(root) {
  for (const head of root.querySelectorAll("th[aria-sort]")) {
    head.querySelector("button").addEventListener("click", () => sortTable(head.closest("table"), head));
  }
}

// Which runs and cases a filter leaves: { runs: Set of numbers, cases: [numbers] }.
function readFilter(form, group) {
  const wanted = Object.fromEntries(new FormData(form));
  const runs = new Set();
  group.runs.forEach((run, number) => {
    if (["loss", "model", "set", "seed"].every((key) => !wanted[key] || String(run[key]) === wanted[key])) runs.add(number);
  });
  const text = (wanted.case ?? "").trim().toLowerCase();
  const cases = [...group.cases.keys()].filter((place) => group.cases[place].search.includes(text));
  return { runs, cases };
}

function filterRows(table, { runs, cases }) {
  const left = new Set(cases);
  let count = 0;
  for (const row of table.tBodies[0].rows) {
    row.hidden = !runs.has(Number(row.dataset.run)) || !left.has(Number(row.dataset.case));
    count += row.hidden ? 0 : 1;
  }
  return count;
}

// The figures of one kind, of the runs that the filter leaves; each is unpacked when it is first seen.
function showFigures(root, kind, runs) {
  for (const figure of root.querySelectorAll("figure.embedded[data-kind]")) {
    figure.hidden = figure.dataset.kind !== kind || !runs.has(Number(figure.dataset.run));
    if (!figure.hidden) unpackFigure(figure);
  }
}

function unpackFigure(figure) {
  const image = figure.querySelector("img");
  if (!image.src) image.src = `data:image/png;base64,${document.getElementById(figure.dataset.source).textContent}`;
}

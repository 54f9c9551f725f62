// Brings each group of runs to life.

function startGroup(root, number, data) {
  const group = data.groups[number];
  const table = root.querySelector("table.cases");
  const form = root.querySelector("form.filter");
  const kind = root.querySelector("select.kind");
  const viewer = new Viewer(root, number, group, data.style, (place) => {
    for (const row of table.tBodies[0].rows) row.classList.toggle("current", Number(row.dataset.case) === place);
  });
  const apply = () => {
    const left = readFilter(form, group);
    const count = filterRows(table, left);
    form.querySelector("output").textContent = `${count} of ${table.tBodies[0].rows.length} rows`;
    viewer.restrict(left.runs, left.runs.size ? left.cases : []);
    if (kind) showFigures(root, kind.value, left.runs);
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  if (kind) kind.addEventListener("change", apply);
  table.addEventListener("click", (event) => {
    const row = event.target.closest("button.show")?.closest("tr");
    if (!row) return;
    viewer.show(Number(row.dataset.case), Number(row.dataset.run));
    viewer.root.scrollIntoView({ block: "start", behavior: "smooth" });
  });
  for (const input of root.querySelectorAll(".protocols input")) {
    input.addEventListener("change", () => {
      root.dataset.evaluation = input.value;
      viewer.show(viewer.place);
    });
  }
  for (const select of root.querySelectorAll("select.base")) {
    select.addEventListener("change", () => {
      for (const part of select.closest("div").querySelectorAll("[data-base]")) part.hidden = part.dataset.base !== select.value;
    });
  }
  for (const figure of root.querySelectorAll("figure.embedded:not([data-kind])")) unpackFigure(figure);
  makeSortable(root);
  apply();
}

const data = JSON.parse(document.getElementById("data").textContent);
document.querySelectorAll("section.group").forEach((root, number) => startGroup(root, number, data));
document.documentElement.dataset.ready = "true";

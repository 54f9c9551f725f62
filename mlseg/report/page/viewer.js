// The slices of a case, several runs side by side.

const MOST_AT_FIRST = 3;
const REFERENCE_PANEL = -1;

class Viewer {
  constructor(root, number, group, style, onShow) {
    this.root = root.querySelector(".viewer");
    this.table = root.querySelector("table.cases");
    this.group = group;
    this.style = { ...style, least: 1 / Math.max(group.labels.length, 2) };
    this.store = new PlaneStore(number, group.cases);
    this.onShow = onShow;
    this.layers = {};
    this.panels = [];
    this.voxel = null;
    this.allowed = new Set(group.runs.keys());
    this.select = this.root.querySelector("select.case");
    this.message = this.root.querySelector(".message");
    this.buildChoice();
    this.readLayers();
    this.root.querySelector(".layers").addEventListener("input", () => {
      this.readLayers();
      this.panels.forEach((panel) => panel.paint());
      this.point(this.voxel);
      this.drawLegend();
    });
    this.select.addEventListener("change", () => this.show(Number(this.select.value)));
    this.root.querySelector(".previous").addEventListener("click", () => this.move(-1));
    this.root.querySelector(".next").addEventListener("click", () => this.move(1));
  }

  buildChoice() {
    const list = this.root.querySelector(".chosen");
    const box = (number, name, checked) => {
      const input = make("input", { type: "checkbox", value: String(number) });
      input.checked = checked;
      input.addEventListener("change", () => this.show(this.place));
      return make("label", {}, input, ` ${name}`);
    };
    list.append(box(REFERENCE_PANEL, "Reference", true));
    const sets = new Set();
    this.group.runs.forEach((run, number) => {
      const first = !sets.has(run.set);
      sets.add(run.set);
      list.append(box(number, this.nameRun(run), first && sets.size <= MOST_AT_FIRST));
    });
  }

  nameRun(run) {
    return this.group.seeds ? `${run.set}, seed ${run.seed}` : run.set;
  }

  nameClass(k) {
    return this.group.labels[k] ?? `class ${k}`;
  }

  readLayers() {
    for (const input of this.root.querySelectorAll(".layers input")) {
      this.layers[input.name] = input.type === "range" ? Number(input.value) / 100 : input.checked;
    }
    this.root.querySelector(".opacity output").textContent = `${Math.round(100 * this.layers.opacity)} %`;
  }

  // Runs and cases that the filter leaves.
  restrict(runs, cases) {
    this.allowed = runs;
    const boxes = [...this.root.querySelectorAll(".chosen input")].filter((box) => Number(box.value) >= 0);
    for (const box of boxes) box.closest("label").hidden = !runs.has(Number(box.value));
    const left = boxes.filter((box) => runs.has(Number(box.value)));
    if (left.length && !left.some((box) => box.checked)) left[0].checked = true;
    this.select.replaceChildren(
      ...cases.map((place) => make("option", { value: String(place) }, this.group.cases[place].id)),
    );
    const known = cases.find((place) => this.group.cases[place].size);
    this.show(cases.includes(this.place) ? this.place : (known ?? cases[0]));
  }

  move(step) {
    const next = this.select.options[this.select.selectedIndex + step];
    if (next) this.show(Number(next.value));
  }

  // Show a case; `run` is put beside the others if it is not there yet.
  async show(place, run = null) {
    const box = run === null ? null : this.root.querySelector(`.chosen input[value="${run}"]`);
    if (box) box.checked = true;
    this.place = place;
    const about = this.group.cases[place];
    this.say(this.explain(about));
    if (about) this.select.value = String(place);
    this.root.querySelector(".previous").disabled = this.select.selectedIndex <= 0;
    this.root.querySelector(".next").disabled = this.select.selectedIndex >= this.select.options.length - 1;
    this.root.querySelector(".slice").textContent = about?.size ? `slice ${about.slice}` : "";
    this.onShow(place);
    const planes = about?.size && !this.message.textContent ? await this.store.read(place) : null;
    if (place !== this.place) return; // another case was asked for meanwhile
    this.fill(about, planes);
  }

  explain(about) {
    if (!about) return "No case is left by the filter.";
    if (typeof DecompressionStream === "undefined") return "This browser is too old to unpack the slices.";
    if (!this.group.cases.some((one) => one.size)) return "No run has slices to show: views.npz is missing. Evaluate the runs again.";
    return about.size ? "" : "No run has a slice of this case.";
  }

  say(text) {
    this.message.textContent = text;
    this.message.hidden = !text;
  }

  fill(about, planes) {
    this.panels.forEach((panel) => panel.observer.disconnect());
    this.panels = [];
    this.voxel = null;
    const boxes = planes ? [...this.root.querySelectorAll(".chosen input:checked")] : [];
    for (const box of boxes) {
      const number = Number(box.value);
      if (number !== REFERENCE_PANEL && !this.allowed.has(number)) continue;
      this.panels.push(this.build(number, about, planes));
    }
    this.root.querySelector(".panels").replaceChildren(...this.panels.map((panel) => panel.element));
    this.panels.forEach((panel) => panel.paint());
    this.drawLegend();
  }

  build(number, about, planes) {
    if (number === REFERENCE_PANEL) {
      const panel = new Panel(this, number, "Reference", "");
      panel.show(new Scene(about, planes, null, this.style), []);
      return panel;
    }
    const run = this.group.runs[number];
    const panel = new Panel(this, number, run.set, this.group.seeds ? `seed ${run.seed}` : "");
    const own = planes.runs.get(number);
    const why = about.differing?.includes(number)
      ? "Left out: this run shows another slice or reference of this case."
      : "This run has no slice of this case (views.npz).";
    panel.show(own ? new Scene(about, planes, own, this.style) : null, this.listScores(number), why);
    return panel;
  }

  // The scores of a case as they stand in the table, for the protocol that is shown.
  listScores(number) {
    const row = this.table.querySelector(`tr[data-run="${number}"][data-case="${this.place}"]`);
    const heads = this.table.tHead.rows[0].cells;
    const { evaluation } = this.root.closest(".group").dataset;
    const shown = [...row.cells].filter((cell) => cell.classList.contains(`for-${evaluation}`));
    const dice = this.group.runs[number].dice[evaluation]?.[this.place];
    return shown.map((cell) => {
      const name = heads[cell.cellIndex].textContent;
      const labels = name === "Dice" && dice ? ` (${dice})` : "";
      return make("span", {}, `${name} `, make("b", {}, cell.textContent), labels);
    });
  }

  point(voxel) {
    this.voxel = voxel;
    this.panels.forEach((panel) => panel.point(voxel));
  }

  // The arrow keys move from voxel to voxel.
  step(event) {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const move = moves[event.key];
    const about = this.group.cases[this.place];
    if (!move || !about?.size) return;
    event.preventDefault();
    const [left, top, side] = this.layers.zoom ? about.window : [0, 0, 0];
    const middle = about.size.map((n, axis) => (side ? ([top, left][axis] + side / 2) / about.step[axis] : n / 2));
    const from = this.voxel ?? middle.map(Math.floor);
    this.point(from.map((value, axis) => Math.min(Math.max(value + (this.voxel ? move[axis] : 0), 0), about.size[axis] - 1)));
  }

  drawLegend() {
    const entry = (kind, name, style = "") => make("span", {}, make("i", { class: kind, ...(style && { style }) }), ` ${name}`);
    const parts = [];
    if (this.layers.reference) parts.push(entry("line reference", "reference"));
    if (this.layers.prediction) {
      this.group.labels.slice(1, 13).forEach((name, k) => {
        parts.push(entry("swatch", name, `background: ${this.style.colours[k % this.style.colours.length]}`));
      });
    }
    if (this.layers.wrong) parts.push(entry("hatch", "wrong"));
    if (this.layers.confidence) {
      const last = this.style.ramp.length - 1;
      const steps = this.style.ramp.map((colour, k) => `rgb(${toRgb(colour)} / ${veil(this.layers.opacity, k / last).toFixed(3)})`);
      const ramp = make("i", { class: "ramp", style: `background: linear-gradient(to right, ${steps.map((step) => step.replaceAll(",", " ")).join(", ")}), #888` });
      parts.push(make("span", {}, `confidence ${this.style.least.toFixed(2)} `, ramp, " 1.00"));
    }
    this.root.querySelector(".legend").replaceChildren(...(this.panels.length ? parts : []));
  }
}

// One picture of the viewer: the slice of one run, or the reference.

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

class Panel {
  constructor(viewer, number, title, details) {
    this.viewer = viewer;
    this.number = number;
    this.title = title;
    this.canvas = make("canvas", { tabindex: "0", role: "img" });
    this.probe = make("i", { class: "probe" });
    this.readout = make("p", { class: "readout" });
    this.scores = make("figcaption");
    const heading = make("h4", {}, title, ...(details ? [make("small", {}, ` ${details}`)] : []));
    this.picture = make("div", { class: "picture" }, this.canvas, this.probe);
    this.element = make("figure", { class: "panel" }, heading, this.picture, this.scores, this.readout);
    this.probe.hidden = true;
    for (const kind of ["pointermove", "pointerdown"]) {
      this.canvas.addEventListener(kind, (event) => viewer.point(this.find(event)));
    }
    this.canvas.addEventListener("pointerleave", () => viewer.point(null));
    this.canvas.addEventListener("blur", () => viewer.point(null));
    this.canvas.addEventListener("keydown", (event) => viewer.step(event));
    this.observer = new ResizeObserver(() => this.paint());
    this.observer.observe(this.picture);
  }

  // `why` there is nothing to see, where there is no scene.
  show(scene, scores, why = "") {
    this.scene = scene;
    this.scores.replaceChildren(...scores);
    this.canvas.hidden = !scene;
    this.readout.textContent = scene ? "" : why;
    if (!scene) return;
    this.canvas.setAttribute("aria-label", `${this.title}: slice ${scene.about.slice} of ${scene.about.id}`);
    this.paint();
  }

  paint() {
    const width = Math.round(this.picture.clientWidth * (window.devicePixelRatio || 1));
    if (!this.scene || !width) return;
    if (this.canvas.width !== width) this.canvas.width = this.canvas.height = width;
    this.scene.paint(this.canvas, this.viewer.layers);
  }

  // The voxel under the pointer, [row, column], or null.
  find(event) {
    if (!this.scene) return null;
    const [left, top, side] = this.scene.window(this.viewer.layers.zoom);
    const box = this.canvas.getBoundingClientRect();
    const mm = [top + ((event.clientY - box.top) / box.height) * side, left + ((event.clientX - box.left) / box.width) * side];
    const voxel = mm.map((value, axis) => Math.floor(value / this.scene.about.step[axis]));
    return voxel.every((value, axis) => value >= 0 && value < this.scene.about.size[axis]) ? voxel : null;
  }

  point(voxel) {
    this.probe.hidden = !voxel || !this.scene;
    if (!this.scene) return;
    this.readout.textContent = voxel ? this.describe(voxel) : "";
    if (!voxel) return;
    const { about } = this.scene;
    const [left, top, side] = this.scene.window(this.viewer.layers.zoom);
    const share = (mm) => `${(100 * mm) / side}%`;
    this.probe.style.top = share(voxel[0] * about.step[0] - top);
    this.probe.style.left = share(voxel[1] * about.step[1] - left);
    this.probe.style.height = share(about.step[0]);
    this.probe.style.width = share(about.step[1]);
  }

  describe([row, column]) {
    const { about, planes, own } = this.scene;
    const place = row * about.size[1] + column;
    const truth = planes.target[place];
    const parts = [`row ${row}, column ${column}`, `reference ${this.viewer.nameClass(truth)}`];
    if (own) {
      parts.push(`predicted ${this.viewer.nameClass(own.prediction[place])}`);
      if (own.confidence) parts.push(`confidence ${(own.confidence[place] / 255).toFixed(2)}`);
      if (own.prediction[place] !== truth) parts.push("wrong");
    }
    return parts.join("; ");
  }
}

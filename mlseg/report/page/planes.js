// The planes of one case: what html_views.py packed, as arrays of bytes.

const BOTH = 2; // a run with prediction and confidence; with 1 it has the prediction alone

async function inflate(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function splitPlanes(about, bytes) {
  const [height, width] = about.size;
  let start = 0;
  const take = () => bytes.subarray(start, (start += height * width));
  const image = about.image ? take() : null;
  const target = take();
  const runs = new Map();
  for (const number of Object.keys(about.runs).map(Number).sort((a, b) => a - b)) {
    const prediction = take();
    const confidence = about.runs[number] === BOTH ? take() : null;
    runs.set(number, { prediction, confidence });
  }
  return { image, target, runs };
}

// Planes by case; the last few cases are kept, so that going back and forth is quick.
class PlaneStore {
  constructor(group, cases) {
    this.group = group;
    this.cases = cases;
    this.kept = new Map();
  }

  async read(place) {
    if (!this.kept.has(place)) {
      const text = document.getElementById(`planes-${this.group}-${place}`).textContent;
      this.kept.set(place, splitPlanes(this.cases[place], await inflate(text)));
      if (this.kept.size > 6) this.kept.delete(this.kept.keys().next().value);
    }
    return this.kept.get(place);
  }
}

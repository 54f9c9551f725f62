// Painting one picture: image, colours of classes or confidence, outlines, wrong voxels.

const RIM = "rgba(0, 0, 0, 0.75)";
const WRONG = "#ff3b5c";
const REFERENCE = "#ffffff";

function toRgb(colour) {
  return [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
}

// How opaque a confidence is painted: the surer, the less it hides of the image. At 1 nothing is left of the image.
// `share` is 0 for the least confidence that there can be, and 1 for certainty.
function veil(opacity, share) {
  return opacity ** (1 + 3 * share ** 4);
}

// A canvas of the size of the slice, filled voxel by voxel: colourOf(place) gives [r, g, b] or [r, g, b, alpha] or null.
function fillVoxels(size, colourOf) {
  const [height, width] = size;
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  for (let place = 0; place < height * width; place += 1) {
    const colour = colourOf(place);
    if (colour) pixels.data.set([colour[0], colour[1], colour[2], 255 * (colour[3] ?? 1)], 4 * place);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

// The edges of voxels between classes, in voxels; `only` looks at one class against all others.
function traceEdges(size, classes, only = null) {
  const [height, width] = size;
  const path = new Path2D();
  const at = (x, y) => {
    if (x < 0 || y < 0 || x >= width || y >= height) return 0;
    const own = classes[y * width + x];
    return only === null ? own : Number(own === only);
  };
  for (let y = 0; y <= height; y += 1) {
    for (let x = 0; x <= width; x += 1) {
      if (y < height && at(x - 1, y) !== at(x, y)) {
        path.moveTo(x, y);
        path.lineTo(x, y + 1);
      }
      if (x < width && at(x, y - 1) !== at(x, y)) {
        path.moveTo(x, y);
        path.lineTo(x + 1, y);
      }
    }
  }
  return path;
}

// The voxels for which isIn(place) holds, as one shape, in voxels.
function traceRegion(size, isIn) {
  const [height, width] = size;
  const path = new Path2D();
  for (let y = 0; y < height; y += 1) {
    let start = -1;
    for (let x = 0; x <= width; x += 1) {
      const inside = x < width && isIn(y * width + x);
      if (inside && start < 0) start = x;
      if (!inside && start >= 0) {
        path.rect(start, y, x - start, 1);
        start = -1;
      }
    }
  }
  return path;
}

// What can be painted of a slice, made once for each case and run.
class Scene {
  constructor(about, planes, own, style) {
    const colours = style.colours.map(toRgb);
    this.ramp = style.ramp.map(toRgb);
    this.least = style.least;
    const classColour = (k) => (k ? colours[(k - 1) % colours.length] : null);
    const classes = own ? own.prediction : planes.target;
    this.about = about;
    this.planes = planes;
    this.own = own;
    // What all runs share is made once.
    planes.shared ??= {
      image: fillVoxels(about.size, (place) => Array(3).fill(planes.image ? planes.image[place] : 0)),
      reference: traceEdges(about.size, planes.target),
    };
    this.classes = fillVoxels(about.size, (place) => classColour(classes[place]));
    this.outlines = [...new Set(classes)]
      .filter((k) => k > 0)
      .map((k) => [style.colours[(k - 1) % colours.length], traceEdges(about.size, classes, k)]);
    if (!own) return;
    const isWrong = (place) => own.prediction[place] !== planes.target[place];
    this.wrong = traceRegion(about.size, isWrong);
    this.wrongEdges = traceEdges(about.size, own.prediction.map((_, place) => Number(isWrong(place))));
  }

  drawConfidence(opacity) {
    if (this.veiled?.opacity !== opacity) {
      const steps = Array.from({ length: 256 }, (_, level) => {
        const share = Math.min(Math.max((level / 255 - this.least) / (1 - this.least), 0), 1);
        return [...this.ramp[Math.round(share * (this.ramp.length - 1))], veil(opacity, share)];
      });
      const picture = fillVoxels(this.about.size, (place) => steps[this.own.confidence[place]]);
      this.veiled = { opacity, picture };
    }
    return this.veiled.picture;
  }

  // The square in millimetres that is seen: [left, top, side].
  window(zoom) {
    const [height, width] = this.about.size.map((n, axis) => n * this.about.step[axis]);
    if (zoom) return this.about.window;
    const side = Math.max(height, width);
    return [(width - side) / 2, (height - side) / 2, side];
  }

  paint(canvas, layers) {
    const context = canvas.getContext("2d");
    const [left, top, side] = this.window(layers.zoom);
    const scale = canvas.width / side;
    const [down, right] = this.about.step;
    const place = new DOMMatrix([right * scale, 0, 0, down * scale, -left * scale, -top * scale]);
    const dot = canvas.width / canvas.clientWidth || 1;
    const onCanvas = (path) => {
      const moved = new Path2D();
      moved.addPath(path, place);
      return moved;
    };
    const layer = (picture, opacity, smooth) => {
      context.setTransform(place);
      context.globalAlpha = opacity;
      context.imageSmoothingEnabled = smooth;
      context.imageSmoothingQuality = "high";
      context.drawImage(picture, 0, 0);
      context.resetTransform();
      context.globalAlpha = 1;
    };
    // Lines must not hide the voxels that they run between.
    const thin = Math.min(Math.max((down * scale) / dot / 2.5, 0.5), 1);
    const line = (path, colour, width) => {
      context.lineCap = "square";
      for (const [own, extra] of [[RIM, 1.4], [colour, 0]]) {
        context.strokeStyle = own;
        context.lineWidth = (width + extra) * thin * dot;
        context.stroke(onCanvas(path));
      }
    };
    context.resetTransform();
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    layer(this.planes.shared.image, 1, true);
    const mapped = layers.confidence && this.own?.confidence;
    if (mapped) layer(this.drawConfidence(layers.opacity), 1, false);
    if (layers.prediction && !mapped) layer(this.classes, this.planes.image ? layers.opacity : 1, false);
    if (layers.wrong && this.wrong && !mapped) this.hatch(context, onCanvas(this.wrong), dot);
    if (layers.prediction && mapped) for (const [colour, path] of this.outlines) line(path, colour, 1.3);
    if (layers.reference) line(this.planes.shared.reference, REFERENCE, 1.1);
    if (layers.wrong && this.wrong) line(this.wrongEdges, WRONG, 1.1);
  }

  hatch(context, region, dot) {
    const { width, height } = context.canvas;
    context.save();
    context.clip(region);
    context.strokeStyle = WRONG;
    context.lineWidth = 1.6 * dot;
    context.beginPath();
    for (let start = -height; start < width; start += 5 * dot) {
      context.moveTo(start, height);
      context.lineTo(start + height, 0);
    }
    context.stroke();
    context.restore();
  }
}

// Two pictures in one frame, at one place and zoom: behind a line that slides, side by side, or one after the other.
// Zoom 1 is one pixel of the larger picture to one of the screen; the smaller one is enlarged to the same size.

const MOST = 32;

export class Compare {
  constructor(root, { zoomed = () => {} } = {}) {
    this.root = root;
    this.zoomed = zoomed;
    root.classList.add("compare");
    root.innerHTML = `
      <div class="layer after"><img alt="After" draggable="false" hidden></div>
      <div class="layer before"><img alt="Before" draggable="false" hidden></div>
      <div class="line" role="slider" tabindex="0" aria-label="How much of before is shown" aria-valuemin="0" aria-valuemax="100"></div>
      <span class="tag tag-before" aria-hidden="true">before</span><span class="tag tag-after" aria-hidden="true">after</span>`;
    [this.after, this.before] = root.querySelectorAll("img");
    this.line = root.querySelector(".line");
    this.pointers = new Map();
    this.view = { zoom: 1, x: 0, y: 0, fitted: true };
    this.size = { width: 1, height: 1 };
    this.layout = "slider";
    this.split = 50;
    this.other = false;
    this.#listen();
    new ResizeObserver(() => { if (this.view.fitted) this.fit(); else this.#apply(); }).observe(root);
    this.setLayout("slider");
  }

  // Show two pictures once both are there; `keep` leaves place and zoom as they are.
  async show(before, after, keep = false) {
    const mine = this.showing = {};
    const loaded = await Promise.all([before, after].map(async (url) => {
      const image = new Image();
      image.src = url;
      await image.decode();
      return image;
    }));
    if (this.showing !== mine) return;
    const old = this.size;
    this.size = { width: Math.max(...loaded.map((each) => each.naturalWidth)), height: Math.max(...loaded.map((each) => each.naturalHeight)) };
    [this.before, this.after].forEach((image, index) => {
      image.src = loaded[index].src;
      image.style.width = `${this.size.width}px`;
      image.style.height = `${this.size.height}px`;
      image.hidden = false;
    });
    if (keep && old.width === this.size.width && old.height === this.size.height && !this.view.fitted) this.#apply();
    else this.fit();
  }

  clear() {
    this.showing = null;
    for (const image of [this.before, this.after]) { image.hidden = true; image.removeAttribute("src"); }
  }

  setLayout(layout) {
    this.layout = layout;
    this.root.dataset.layout = layout;
    this.other = false;
    this.line.hidden = layout !== "slider";
    if (this.view.fitted) this.fit(); else this.#apply();
  }

  flip() {
    if (this.layout !== "toggle") return;
    this.other = !this.other;
    this.#apply();
  }

  // One pixel of the picture to one of the screen, which may have several to the pixel of a page.
  get #one() { return 1 / devicePixelRatio; }

  get #pane() {
    const { clientWidth, clientHeight } = this.root;
    const wide = clientWidth >= clientHeight;
    if (this.layout !== "side") return { width: clientWidth, height: clientHeight, dx: 0, dy: 0 };
    return wide ? { width: clientWidth / 2, height: clientHeight, dx: clientWidth / 2, dy: 0 } : { width: clientWidth, height: clientHeight / 2, dx: 0, dy: clientHeight / 2 };
  }

  get #fitting() {
    const pane = this.#pane;
    return Math.min(pane.width / this.size.width, pane.height / this.size.height) || 1;
  }

  fit() {
    this.view.zoom = this.#fitting;
    this.#apply();
    this.view.fitted = true;
  }

  // Zoom to a factor, about a point of the pane (its middle where none is given).
  zoomTo(zoom, x = this.#pane.width / 2, y = this.#pane.height / 2) {
    const { view } = this;
    const least = Math.min(this.#fitting, this.#one);
    const next = Math.max(least, Math.min(MOST * this.#one, zoom));
    view.x = x - (x - view.x) * next / view.zoom;
    view.y = y - (y - view.y) * next / view.zoom;
    view.zoom = next;
    view.fitted = false;
    this.#apply();
  }

  zoomBy(factor, x, y) { this.zoomTo(this.view.zoom * factor, x, y); }
  whole() { this.zoomTo(this.#one); }

  pan(dx, dy) {
    this.view.x += dx;
    this.view.y += dy;
    this.view.fitted = false;
    this.#apply();
  }

  // Where an event is, in the pane that it is over.
  #at(event) {
    const box = this.root.getBoundingClientRect();
    const pane = this.#pane;
    const x = event.clientX - box.left, y = event.clientY - box.top;
    return [pane.dx && x >= pane.dx ? x - pane.dx : x, pane.dy && y >= pane.dy ? y - pane.dy : y];
  }

  #apply() {
    const { view, size } = this;
    const pane = this.#pane;
    for (const [axis, length, room] of [["x", size.width * view.zoom, pane.width], ["y", size.height * view.zoom, pane.height]]) {
      view[axis] = length <= room ? (room - length) / 2 : Math.min(0, Math.max(room - length, view[axis]));
    }
    const transform = `translate(${view.x}px, ${view.y}px) scale(${view.zoom})`;
    this.root.classList.toggle("stacked", pane.dy > 0);
    const percent = 100 * view.zoom / this.#one;
    for (const image of [this.before, this.after]) {
      image.style.transform = transform;
      image.style.imageRendering = percent >= 300 ? "pixelated" : "auto";
    }
    this.before.style.imageRendering = "auto";
    const first = this.before.parentElement, second = this.after.parentElement;
    first.style.cssText = second.style.cssText = "";
    if (this.layout === "side") {
      const place = (layer, left, top) => Object.assign(layer.style, { left: `${left}px`, top: `${top}px`, width: `${pane.width}px`, height: `${pane.height}px` });
      place(first, 0, 0);
      place(second, pane.dx, pane.dy);
    } else if (this.layout === "toggle") first.style.visibility = this.other ? "visible" : "hidden";
    else first.style.clipPath = `inset(0 ${100 - this.split}% 0 0)`;
    this.line.style.left = `${this.split}%`;
    this.line.ariaValueNow = Math.round(this.split);
    this.root.dataset.shown = this.layout === "toggle" ? (this.other ? "before" : "after") : "both";
    this.zoomed(percent);
  }

  #slide(split) {
    this.split = Math.max(0, Math.min(100, split));
    this.#apply();
  }

  #listen() {
    const { root, line, pointers } = this;
    root.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(2 ** (-event.deltaY * (event.deltaMode ? 20 : 1) / 300), ...this.#at(event));
    }, { passive: false });
    line.addEventListener("pointerdown", (event) => { event.stopPropagation(); line.setPointerCapture(event.pointerId); });
    line.addEventListener("pointermove", (event) => {
      if (!line.hasPointerCapture(event.pointerId)) return;
      const box = root.getBoundingClientRect();
      this.#slide(100 * (event.clientX - box.left) / box.width);
    });
    line.addEventListener("keydown", (event) => {
      const next = { ArrowLeft: this.split - 5, ArrowDown: this.split - 5, ArrowRight: this.split + 5, ArrowUp: this.split + 5, Home: 0, End: 100 }[event.key];
      if (next === undefined || event.shiftKey) return;
      event.preventDefault();
      event.stopPropagation();
      this.#slide(next);
    });
    root.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      root.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, this.#at(event));
      this.moved = false;
    });
    root.addEventListener("pointermove", (event) => {
      if (!pointers.has(event.pointerId)) return;
      const before = [...pointers.values()];
      const old = pointers.get(event.pointerId);
      const now = this.#at(event);
      pointers.set(event.pointerId, now);
      if (pointers.size === 1) this.pan(now[0] - old[0], now[1] - old[1]);
      if (Math.hypot(now[0] - old[0], now[1] - old[1]) > 2) this.moved = true;
      if (pointers.size === 2) {
        const [a, b] = before, [c, d] = [...pointers.values()];
        this.pan((c[0] + d[0] - a[0] - b[0]) / 2, (c[1] + d[1] - a[1] - b[1]) / 2);
        const spread = Math.hypot(a[0] - b[0], a[1] - b[1]);
        if (spread) this.zoomBy(Math.hypot(c[0] - d[0], c[1] - d[1]) / spread, (c[0] + d[0]) / 2, (c[1] + d[1]) / 2);
      }
    });
    for (const end of ["pointerup", "pointercancel"]) {
      root.addEventListener(end, (event) => {
        if (pointers.delete(event.pointerId) && end === "pointerup" && !this.moved) this.flip();
      });
    }
    root.addEventListener("dblclick", (event) => {
      if (this.layout === "toggle") return;
      if (this.view.fitted) this.zoomTo(this.#one, ...this.#at(event)); else this.fit();
    });
  }

  // What a key does; true where it did something.
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
    if (step) this.pan(...step);
    else if (event.key === "+" || event.key === "=") this.zoomBy(1.25);
    else if (event.key === "-") this.zoomBy(0.8);
    else if (event.key === "0") this.fit();
    else if (event.key === "1") this.whole();
    else if (event.key.toLowerCase() === "b") { if (this.layout === "toggle") this.flip(); else this.#slide(this.split > 50 ? 0 : 100); }
    else return false;
    event.preventDefault();
    return true;
  }
}

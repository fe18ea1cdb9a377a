// One photo: what is known of it, its place in the list, and its way to the server and back.

import * as api from "./api.js";
import * as options from "./options.js";
import * as pad from "./pad.js";
import * as store from "./store.js";

const BROWSERS_SHOW = ["png", "jpeg", "webp", "gif", "avif"];
const WORDS = { new: "ready", sending: "sending", queued: "waiting", running: "upscaling", done: "done", failed: "failed", cancelled: "cancelled" };
const BUSY = ["sending", "queued", "running"];

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const button = (textContent, onclick, name) => element("button", { type: "button", className: "quiet", textContent, onclick, ariaLabel: `${textContent} ${name}` });

export function duration(seconds) {
  if (seconds < 1.5) return "1 s";
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.ceil(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

export class Photo {
  // `on` has what the page does: changed, compare, again, remove, tryIt.
  constructor(file, on, limits) {
    Object.assign(this, { file, on, limits, state: "new", progress: 0, detail: "", size: null, plan: null, shown: null, id: "", report: null, sent: null, wear: null, began: 0, estimate: null });
    this.#build();
    this.#draw();
  }

  get name() { return this.file.name; }
  get busy() { return BUSY.includes(this.state); }
  get source() { return this.name.includes(".") ? this.name.split(".").at(-1) : this.file.type.split("/").at(-1); }

  // Find out its size, and something to show of it: the file itself, or what the server makes of it.
  async look() {
    let shown = this.file;
    try {
      const bitmap = await createImageBitmap(this.file);
      this.size = { width: bitmap.width, height: bitmap.height };
      bitmap.close();
    } catch {
      try {
        const { blob, width, height } = await api.view(this.file);
        this.size = { width, height };
        shown = blob;
      } catch (error) {
        if (this.state === "new") this.set({ state: "failed", detail: error.message });
        return;
      }
    }
    this.shown = shown;
    this.before = URL.createObjectURL(shown);
    if (pad.has("restore")) api.wear(this.file).then((wear) => { this.wear = wear; this.on.judged(this); }).catch(() => {});
    this.thumb.src = this.before;
    this.thumb.hidden = false;
    this.#draw();
  }

  // Ask the server what would come out.
  async replan() {
    if (!this.size || this.busy) return;
    this.planning?.abort();
    const mine = this.planning = new AbortController();
    try {
      let plan = await api.plan(this.size, this.source, options.current(), mine.signal);
      if (options.sensible() && plan.sensible) {
        const { sensible } = plan;
        plan = { ...await api.plan(this.size, this.source, { ...options.current(), ...sensible }, mine.signal), asked: sensible };
      }
      this.plan = plan;
      this.#draw();
      this.on.changed();
    } catch (error) {
      if (error.name !== "AbortError") this.plan = null;
    }
  }

  set(changes) {
    Object.assign(this, changes);
    if (this.removed) return;
    this.#draw();
    this.on.changed();
  }

  // Send it, wait for it. Ends in one of the states that are over.
  async process() {
    const mine = this.abort = new AbortController();
    this.sent = { ...options.current(), ...(options.sensible() ? this.plan?.asked : {}) };
    const old = this.id;
    this.set({ state: "sending", detail: "", progress: 0, began: performance.now(), report: null, id: "", estimate: this.plan?.seconds ?? null });
    const timer = setInterval(() => this.#draw(), 250);
    try {
      const job = await api.createJob(this.file, this.name, this.sent, mine.signal);
      if (mine.signal.aborted) { api.remove(job.id); return; }
      if (old) this.#forget(old);
      this.id = job.id;
      store.add(job.id);
      const last = await api.follow(job.id, (state) => {
        if (state.state === "running" && this.state !== "running") this.began = performance.now();
        this.set({ state: state.state === "done" ? "running" : state.state, progress: state.progress });
      }, mine.signal);
      if (last.state !== "done") throw new Error(last.detail || last.state);
      this.set({ state: "done", report: last.report });
    } catch (error) {
      if (!mine.signal.aborted) this.set({ state: "failed", detail: error.message });
      if (this.id) this.#forget(this.id);
      this.id = "";
    } finally {
      clearInterval(timer);
      this.on.changed();
    }
  }

  // A job that this browser had before: what it was, from the server.
  restore(job) {
    this.set({ id: job.id, state: job.state, report: job.report, sent: job.options, detail: job.detail ?? "" });
  }

  cancel() {
    if (!this.busy) return;
    const id = this.id;
    this.id = "";
    this.set({ state: "cancelled", detail: "" });
    this.abort.abort();
    if (id) this.#forget(id);
  }

  remove() {
    this.cancel();
    this.removed = true;
    this.planning?.abort();
    if (this.id) this.#forget(this.id);
    this.item.remove();
    for (const url of [this.before, this.after]) if (url) URL.revokeObjectURL(url);
  }

  #forget(id) {
    store.remove(id);
    api.remove(id);
    if (this.after) URL.revokeObjectURL(this.after);
    this.after = null;
  }

  // Addresses of the photo and its result, as a browser shows them.
  async pair() {
    this.after ??= URL.createObjectURL(BROWSERS_SHOW.includes(this.report.format) ? await api.result(this.id) : await api.viewResult(this.id));
    return [this.before, this.after];
  }

  get left() {
    const seconds = (performance.now() - this.began) / 1000;
    if (this.progress > 0.05) return seconds * (1 - this.progress) / this.progress;
    return this.estimate === null ? null : Math.max(0.5, this.estimate - seconds);
  }

  // What is done, as reported, or for a picture of one tile, as expected.
  get share() {
    if (this.state !== "running") return this.state === "done" ? 1 : null;
    const expected = this.estimate ? Math.min(0.95, (performance.now() - this.began) / 1000 / this.estimate) : 0.05;
    return Math.max(this.progress, expected);
  }

  #build() {
    const { name } = this;
    this.thumb = element("img", { alt: "", hidden: true });
    this.line = element("div", { className: "hint" });
    this.bar = element("progress", { max: 1, ariaLabel: `Progress of ${name}` });
    this.warning = element("div", { className: "warning" });
    this.buttons = {
      compare: button("Compare", () => this.on.compare(this), name),
      download: button("Download", () => this.on.save(this), name),
      again: button("Again with these settings", () => this.on.again(this), name),
      retry: button("Retry", () => this.on.again(this), name),
      cancel: button("Cancel", () => { this.cancel(); this.buttons.retry.focus(); }, name),
      tryIt: button("Try a part", () => this.on.tryIt(this), name),
      remove: button("Remove", () => this.on.remove(this), name),
    };
    this.buttons.download.className = "";
    this.words = element("p", { className: "hint" });
    this.use = element("button", { type: "button", className: "quiet small", textContent: "Use these settings", onclick: () => options.use(this.sent) });
    this.command = element("code");
    this.curl = element("code");
    this.more = element("details", {}, element("summary", { textContent: "Settings and commands" }), this.words, this.use,
      this.#copied("command line", this.command), this.#copied("curl", this.curl));
    const about = element("div", { className: "about" }, element("div", { className: "name", textContent: name }), this.line, this.warning, this.bar);
    this.item = element("li", {}, element("div", { className: "thumb" }, this.thumb), about, element("div", { className: "buttons" }, ...Object.values(this.buttons)), this.more);
  }

  #copied(what, code) {
    const copy = element("button", { type: "button", className: "quiet small", textContent: "Copy", ariaLabel: `Copy ${what} for ${this.name}` });
    copy.onclick = async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
      } catch {  // not over plain HTTP from elsewhere: select it instead
        getSelection().selectAllChildren(code);
        return;
      }
      copy.textContent = "Copied";
      setTimeout(() => { copy.textContent = "Copy"; }, 2000);
    };
    return element("div", { className: "command" }, code, copy);
  }

  #draw() {
    const { file, state, plan, report } = this;
    const size = file.size > 2 ** 20 ? `${(file.size / 2 ** 20).toFixed(1)} MiB` : `${Math.ceil(file.size / 1024)} KiB`;
    const text = [WORDS[state]];
    if (this.size) text.unshift(`${this.size.width}×${this.size.height}`);
    if (file.size) text.unshift(size);
    if (report?.output_size) text.push(`${report.output_size.join("×")} ${report.format.toUpperCase()}, ${duration(report.seconds)}`);
    else if (state === "new" && plan && !plan.problem) {
      text.push(`becomes ${plan.size.join("×")} (${plan.megapixels} megapixels) ${plan.format.toUpperCase()}${plan.seconds === null ? "" : `, about ${duration(plan.seconds)}`}`);
    }
    if (report?.restore) text.push(`restored by ${report.restore.toFixed(2)}: ${report.restore_reason}`);
    if (state === "running" && this.left !== null) text.push(`about ${duration(this.left)} left`);
    this.line.textContent = state === "failed" && this.detail ? this.detail : text.join(", ");
    this.line.className = state === "failed" ? "failed" : "hint";
    const lost = report?.lost?.length ? `Not kept: ${report.lost.join(", ")}.` : "";
    this.warning.textContent = state === "new" || state === "cancelled" ? plan?.problem ?? "" : lost;
    this.bar.hidden = !this.busy;
    if (this.share === null) this.bar.removeAttribute("value"); else this.bar.value = this.share;
    const changed = state === "done" && JSON.stringify(plain(this.sent)) !== JSON.stringify(plain({ ...options.current(), ...(options.sensible() ? plan?.asked : {}) }));
    const shown = {
      compare: state === "done" && this.before, download: state === "done", again: changed, retry: state === "failed" || state === "cancelled",
      cancel: this.busy, tryIt: this.shown && !this.busy, remove: true,
    };
    for (const [key, visible] of Object.entries(shown)) this.buttons[key].hidden = !visible;
    const sent = this.sent ?? options.current();
    this.words.textContent = options.inWords(sent);
    this.use.hidden = !this.sent;
    this.command.textContent = options.asCommand(this.name, sent);
    const [width, height] = plan?.size ?? [0, 0];
    const pixels = width * height;
    this.curl.textContent = options.asCurl(this.name, sent, pixels > 0 && pixels <= this.limits.small_pixels);
  }

  redraw() { this.#draw(); }
}

// Options in one order and as texts, so that those of the page and those that the server tells compare.
function plain(options) {
  return Object.entries(options ?? {}).map(([key, value]) => [key, typeof value === "boolean" ? value : String(Number.isNaN(Number(value)) ? value : Number(value))]).sort();
}

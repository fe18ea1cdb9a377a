// The page: photos come in, wait in a list, are upscaled one after another, and go out again.

import * as api from "./api.js";
import * as options from "./options.js";
import * as preview from "./preview.js";
import * as viewer from "./viewer.js";

const $ = (id) => document.getElementById(id);
const photos = [];
let limits = {};
let running = false;

function complain(text) {
  $("alert").textContent = text;
  clearTimeout(complain.timer);
  complain.timer = setTimeout(() => { $("alert").textContent = ""; }, 8000);
}

function add(files) {
  for (const file of files) {
    if (limits.max_bytes && file.size > limits.max_bytes) {
      complain(`${file.name} is larger than this server takes, ${(limits.max_bytes / 2 ** 20).toFixed(0)} MiB.`);
      continue;
    }
    const photo = { file, before: URL.createObjectURL(file), state: "new", progress: 0, detail: "", item: document.createElement("li") };
    photos.push(photo);
    $("photos").append(photo.item);
    draw(photo);
    if (photos.length === 1) preview.show(file);
  }
  $("queue").hidden = !photos.length;
}

function remove(photo) {
  photos.splice(photos.indexOf(photo), 1);
  photo.item.remove();
  photo.removed = true;
  if (photo.id) api.remove(photo.id);
  URL.revokeObjectURL(photo.before);
  if (photo.after) URL.revokeObjectURL(photo.after);
  $("queue").hidden = !photos.length;
  preview.show(photos[0]?.file);
}

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function draw(photo) {
  const { file, item } = photo;
  const states = { new: "ready", sending: "sending", queued: "waiting", running: "upscaling", done: "done", failed: "failed", cancelled: "cancelled" };
  const about = element("div", {}, element("div", { className: "name", textContent: file.name }));
  const size = file.size > 2 ** 20 ? `${(file.size / 2 ** 20).toFixed(1)} MiB` : `${Math.ceil(file.size / 1024)} KiB`;
  let text = `${size}, ${states[photo.state]}`;
  if (photo.report?.output_size) text += `: ${photo.report.output_size.join("×")}, ${photo.report.seconds.toFixed(1)} s`;
  if (photo.state === "running" && photo.left) text += `, about ${photo.left} left`;
  about.append(element("div", { className: photo.state === "failed" ? "failed" : "hint", textContent: photo.detail || text }));
  if (["sending", "queued", "running"].includes(photo.state)) {
    about.append(element("progress", { value: photo.progress, max: 1, ariaLabel: `Progress of ${file.name}` }));
  }
  const buttons = element("div", { className: "buttons" });
  if (photo.after) {
    buttons.append(
      element("button", { type: "button", className: "quiet", textContent: "Compare", onclick: () => viewer.open(file.name, photo.before, photo.after) }),
      element("a", { className: "button", href: photo.after, download: photo.name, textContent: "Download" }),
    );
  }
  if (photos.length > 1 && photo.state !== "done") {
    buttons.append(element("button", { type: "button", className: "quiet", textContent: "Try", onclick: () => preview.show(file) }));
  }
  buttons.append(element("button", { type: "button", className: "quiet", textContent: "Remove", ariaLabel: `Remove ${file.name}`, onclick: () => remove(photo) }));
  item.replaceChildren(element("img", { src: photo.before, alt: "" }), about, buttons);
}

function remaining(photo) {
  if (!photo.began || photo.progress < 0.02) return "";
  const seconds = (performance.now() - photo.began) / 1000 * (1 - photo.progress) / photo.progress;
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}

async function process(photo) {
  const set = (changes) => { Object.assign(photo, changes); if (!photo.removed) draw(photo); };
  set({ state: "sending", detail: "", progress: 0, began: 0, report: null });
  try {
    const job = await api.createJob(photo.file, photo.file.name, options.current());
    photo.id = job.id;
    const last = await api.follow(job.id, (state) => {
      if (state.state === "running" && !photo.began) photo.began = performance.now();
      photo.progress = state.progress;
      set({ state: state.state, left: remaining(photo) });
    });
    if (last.state !== "done") throw new Error(last.detail || last.state);
    const { blob, name } = await api.result(job.id);
    if (photo.after) URL.revokeObjectURL(photo.after);
    set({ state: "done", after: URL.createObjectURL(blob), name, report: last.report });
  } catch (error) {
    set({ state: "failed", detail: error.message });
  } finally {
    if (photo.id) api.remove(photo.id);
    photo.id = "";
  }
}

async function runAll() {
  if (running) return;
  running = $("run").disabled = true;
  for (const photo of [...photos]) if (!photo.removed) await process(photo);
  running = $("run").disabled = false;
}

function listen() {
  $("pick").addEventListener("change", (event) => { add(event.target.files); event.target.value = ""; });
  document.addEventListener("paste", (event) => add([...event.clipboardData.files]));
  document.addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) $("drop").classList.remove("over"); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    $("drop").classList.remove("over");
    add([...event.dataTransfer.files]);
  });
  $("run").addEventListener("click", runAll);
  $("clear").addEventListener("click", () => [...photos].forEach(remove));
  window.addEventListener("beforeunload", () => photos.forEach((photo) => photo.id && api.remove(photo.id)));
}

preview.setUp();
viewer.setUp();
listen();
try {
  const models = await api.models();
  limits = models.limits;
  $("limits").textContent = `Up to ${(limits.max_bytes / 2 ** 20).toFixed(0)} MiB and ${(limits.max_pixels / 1e6).toFixed(0)} megapixels each.`;
  options.setUp(models, preview.refresh);
} catch (error) {
  complain(error.message);
}

// The page: photos come in, wait in a list, are upscaled one after another, and go out again.

import * as api from "./api.js";
import * as options from "./options.js";
import { Photo, duration } from "./photo.js";
import * as preview from "./preview.js";
import * as store from "./store.js";
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

const told = (work) => async (...given) => {
  try {
    await work(...given);
  } catch (error) {
    complain(error.message);
  }
};

const on = {
  changed: () => draw(),
  compare: told(async (photo) => viewer.open(photo.name, ...await photo.pair())),
  save: told((photo) => api.save(api.resultPath(photo.id))),
  again: (photo) => { photo.set({ state: "new", detail: "" }); photo.item.querySelector("button:not([hidden])").focus(); photo.replan(); run(); },
  judged: (photo) => { if (photo === preview.shown()) { preview.judged(); preview.refresh(); } },
  tryIt: told(async (photo) => { await preview.show(photo); $("preview").scrollIntoView({ block: "nearest" }); $("picker").focus(); }),
  remove: (photo) => { const at = photos.indexOf(photo); remove(photo); (photos[Math.min(at, photos.length - 1)]?.buttons.remove ?? $("pick")).focus(); },
};

function add(files) {
  for (const file of files) {
    if (limits.max_bytes && file.size > limits.max_bytes) {
      complain(`${file.name} is larger than this server takes, ${(limits.max_bytes / 2 ** 20).toFixed(0)} MiB.`);
      continue;
    }
    insert(file);
  }
}

async function insert(file, job) {
  const photo = new Photo(file, on, limits);
  photos.push(photo);
  $("photos").append(photo.item);
  if (job) photo.restore(job);
  draw();
  await photo.look();
  await photo.replan();
  if (!preview.shown() && photos.includes(photo)) await told(preview.show)(photo);
}

function remove(photo) {
  photos.splice(photos.indexOf(photo), 1);
  photo.remove();
  if (preview.shown() === photo) told(preview.show)(photos.find((each) => each.shown));
  draw();
}

function draw() {
  const wanted = photos.filter((photo) => photo.state === "new" && !photo.plan?.problem);
  const busy = photos.filter((photo) => photo.busy);
  const done = photos.filter((photo) => photo.state === "done");
  $("queue").hidden = $("actions").hidden = !photos.length;
  $("run").textContent = running ? "Stop" : wanted.length > 1 ? `Upscale ${wanted.length} photos` : "Upscale";
  $("run").ariaDisabled = !running && !wanted.length;
  const times = [...wanted.map((photo) => photo.plan?.seconds), ...busy.map((photo) => photo.left)];
  const known = times.length && times.every((seconds) => seconds != null);
  const count = wanted.length + busy.length;
  $("total").textContent = count ? `${count === 1 ? "1 photo" : `${count} photos`}${known ? `, about ${duration(times.reduce((a, b) => a + b, 0))}` : ""}` : `${done.length} done`;
  $("download-all").hidden = done.length < 2;
  const { plan } = preview.shown() ?? photos[0] ?? {};
  $("plan").textContent = !plan ? "" : plan.problem ?? `${plan.size.join("×")} pixels, ${plan.megapixels} megapixels, ${plan.format.toUpperCase()}`;
}

async function replan() {
  await Promise.all(photos.map((photo) => { photo.redraw(); return photo.replan(); }));
}

let timer = 0;
function changed() {
  clearTimeout(timer);
  timer = setTimeout(replan, 150);
  const photo = preview.shown();
  if (photo?.size) options.factor(photo.size, photo.plan);
  preview.refresh();
  draw();
}

// One after another, those that come while it runs too.
async function run() {
  if (running) return;
  running = true;
  draw();
  for (let photo; running && (photo = photos.find((each) => each.state === "new" && !each.plan?.problem));) {
    await photo.process();
    replan();  // the server knows its speed better now
  }
  running = false;
  draw();
}

function stop() {
  running = false;
  for (const photo of photos) photo.cancel();
  draw();
}

async function restore() {
  for (const id of store.load()) {
    try {
      const job = await api.job(id);
      if (job.state !== "done") { store.remove(id); api.remove(id); continue; }
      await insert(new File([await (await api.source(id)).arrayBuffer()], job.name, {}), job);
    } catch (error) {
      if (error.status === 404) store.remove(id);  // the server kept it no longer
    }
  }
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
  $("example").addEventListener("click", told(async () => {
    const blob = await (await fetch("page/example.jpg")).blob();
    add([new File([blob], "coffee.jpg", { type: "image/jpeg" })]);
  }));
  $("run").addEventListener("click", () => { if (running) stop(); else run(); });
  $("clear").addEventListener("click", () => { stop(); [...photos].forEach(remove); $("pick").focus(); });
  $("download-all").addEventListener("click", told(() => api.save(api.archivePath(photos.filter((photo) => photo.state === "done").map((photo) => photo.id)))));
  window.addEventListener("beforeunload", (event) => {
    if (photos.some((photo) => photo.state === "new" || photo.busy)) event.preventDefault();  // these would be lost
  });
}

if ("serviceWorker" in navigator) navigator.serviceWorker.register("worker.js").catch(() => {});
preview.setUp(replan);
viewer.setUp();
listen();
await told(async () => {
  const models = await api.models();
  limits = models.limits;
  $("limits").textContent = `Up to ${(limits.max_bytes / 2 ** 20).toFixed(0)} MiB and ${(limits.max_pixels / 1e6).toFixed(0)} megapixels each.`;
  options.setUp(models, changed);
  for (const photo of photos) photo.limits = limits;
  await restore();
})();
document.documentElement.dataset.ready = "yes";

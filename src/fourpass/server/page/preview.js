// Trying a part: a frame on the photo, upscaled again each time the look or the frame changes.

import * as api from "./api.js";
import { Compare } from "./compare.js";
import * as options from "./options.js";
import * as pad from "./pad.js";

const $ = (id) => document.getElementById(id);
const SIDE = 96;  // pixels of the part, few enough for an answer in a moment
let photo = null;
let picture = null;
let frame = { x: 0, y: 0, width: SIDE, height: SIDE };
let pending = null;
let timer = 0;
let compare;
let measured = () => {};
const urls = { before: "", after: "" };

export function setUp(done) {
  measured = done;
  compare = new Compare($("preview-compare"));
  $("preview-compare").addEventListener("keydown", (event) => compare.key(event));
  const canvas = $("picker");
  canvas.addEventListener("pointerdown", (event) => {
    const box = canvas.getBoundingClientRect();
    move((event.clientX - box.left) / box.width * picture.width - frame.width / 2,
      (event.clientY - box.top) / box.height * picture.height - frame.height / 2);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    move(frame.x + step[0] * frame.width / 4, frame.y + step[1] * frame.height / 4);
  });
}

export const shown = () => photo;

export async function show(next) {
  if (next === photo) return;
  pending?.abort();
  clearTimeout(timer);
  photo = next ?? null;
  judged();
  picture?.close();
  picture = null;
  compare.clear();
  $("preview").hidden = !photo?.shown;
  if (!photo?.shown) return;
  const mine = photo;
  const loaded = await createImageBitmap(mine.shown);  // upright, as the server will see it
  if (photo !== mine) return loaded.close();
  picture = loaded;
  frame = { ...frame, width: Math.min(SIDE, picture.width), height: Math.min(SIDE, picture.height) };
  $("preview-compare").style.aspectRatio = `${frame.width} / ${frame.height}`;
  move((picture.width - frame.width) / 2, (picture.height - frame.height) / 2);
}

// Where `auto` stands for this photo.
export function judged() {
  pad.setUsual("restore", photo?.wear?.restore ?? null, photo?.wear?.reason);
}

export function refresh() {
  if (!picture) return;
  clearTimeout(timer);
  timer = setTimeout(render, 120);
}

function move(x, y) {
  if (!picture) return;
  frame.x = Math.round(Math.max(0, Math.min(picture.width - frame.width, x)));
  frame.y = Math.round(Math.max(0, Math.min(picture.height - frame.height, y)));
  draw();
  refresh();
}

function draw() {
  const canvas = $("picker");
  const shrink = 900 / Math.max(picture.width, picture.height);
  canvas.width = Math.round(picture.width * shrink);
  canvas.height = Math.round(picture.height * shrink);
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  for (const [colour, width] of [["#000", 8], ["#fff", 4]]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(frame.x * shrink, frame.y * shrink, frame.width * shrink, frame.height * shrink);
  }
}

async function render() {
  pending?.abort();
  const mine = pending = new AbortController();
  const status = $("preview-status");
  status.textContent = "Upscaling this part …";
  const part = document.createElement("canvas");
  part.width = frame.width;
  part.height = frame.height;
  part.getContext("2d").drawImage(picture, -frame.x, -frame.y);
  const blob = await new Promise((resolve) => part.toBlob(resolve, "image/png"));
  const { strength, restore } = options.current();
  const chosen = { scale: options.factor(photo.size, photo.plan), format: "png" };
  if (strength !== undefined) chosen.strength = strength;
  const cleaned = restore ?? photo.wear?.restore;  // judged by the whole photo, not by the part
  if (cleaned != null) chosen.restore = cleaned;
  const began = performance.now();
  try {
    const after = await api.preview(blob, chosen, mine.signal);
    const old = Object.values(urls);
    urls.before = URL.createObjectURL(blob);
    urls.after = URL.createObjectURL(after);
    await compare.show(urls.before, urls.after, true);
    old.forEach((url) => URL.revokeObjectURL(url));
    status.textContent = `${frame.width}×${frame.height} pixels, ${((performance.now() - began) / 1000).toFixed(1)} s`;
    measured();
  } catch (error) {
    if (error.name !== "AbortError" && mine === pending) status.textContent = error.message;
  }
}

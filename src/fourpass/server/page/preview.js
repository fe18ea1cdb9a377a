// Trying a part: a frame on the photo, upscaled again each time the dial or the frame moves.

import * as api from "./api.js";
import * as options from "./options.js";

const $ = (id) => document.getElementById(id);
const SIDE = 96;  // pixels of the part, few enough for an answer in a moment
let photo = null;
let frame = { x: 0, y: 0, width: SIDE, height: SIDE };
let pending = null;
let timer = 0;
const urls = { before: "", after: "" };

export function setUp() {
  const canvas = $("picker");
  canvas.addEventListener("pointerdown", (event) => {
    const box = canvas.getBoundingClientRect();
    move((event.clientX - box.left) / box.width * photo.width - frame.width / 2,
      (event.clientY - box.top) / box.height * photo.height - frame.height / 2);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    move(frame.x + step[0] * frame.width / 4, frame.y + step[1] * frame.height / 4);
  });
}

export async function show(file) {
  $("preview").hidden = !file;
  photo = null;
  if (!file) return;
  try {
    photo = await createImageBitmap(file);  // upright, as the server will see it
  } catch {
    $("preview").hidden = true;  // a format that this browser cannot show; the server may still read it
    return;
  }
  frame = { ...frame, width: Math.min(SIDE, photo.width), height: Math.min(SIDE, photo.height) };
  move((photo.width - frame.width) / 2, (photo.height - frame.height) / 2);
}

export function refresh() {
  if (!photo) return;
  clearTimeout(timer);
  timer = setTimeout(render, 150);
}

function move(x, y) {
  frame.x = Math.round(Math.max(0, Math.min(photo.width - frame.width, x)));
  frame.y = Math.round(Math.max(0, Math.min(photo.height - frame.height, y)));
  draw();
  refresh();
}

function draw() {
  const canvas = $("picker");
  const shrink = Math.min(1, 900 / photo.width);
  canvas.width = Math.round(photo.width * shrink);
  canvas.height = Math.round(photo.height * shrink);
  const context = canvas.getContext("2d");
  context.drawImage(photo, 0, 0, canvas.width, canvas.height);
  for (const [colour, width] of [["#000", 4], ["#fff", 2]]) {
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
  part.getContext("2d").drawImage(photo, -frame.x, -frame.y);
  const blob = await new Promise((resolve) => part.toBlob(resolve, "image/png"));
  const chosen = { scale: options.factor(photo), format: "png" };
  const { strength } = options.current();
  if (strength !== undefined) chosen.strength = strength;
  const began = performance.now();
  try {
    const after = await api.upscale(blob, "part.png", chosen, mine.signal);
    replace("before", blob);
    replace("after", after);
    status.textContent = `${frame.width}×${frame.height} pixels, ${((performance.now() - began) / 1000).toFixed(1)} s`;
  } catch (error) {
    if (error.name !== "AbortError") status.textContent = error.message;
  }
}

function replace(which, blob) {
  URL.revokeObjectURL(urls[which]);
  urls[which] = URL.createObjectURL(blob);
  $(`preview-${which}`).src = urls[which];
}

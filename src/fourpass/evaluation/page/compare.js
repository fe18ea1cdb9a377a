"use strict";
// One page, no requests: everything it shows stands in the JSON above. `data`: { id, labels, reference, protocol,
// metrics: [{ label, better, decimals }], pictures: [{ name, width, height, sources: { label: data URI },
// numbers: { label: [value or null, ...] } }], means: { label: [...] } }.

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const shown = data.reference ? [...data.labels, data.reference] : data.labels;
const state = { picture: 0, mode: "slider", left: data.labels[0], right: data.labels[1], split: 0.5, gain: 4,
                zoom: 1, x: 0, y: 0, pair: null };

// ---- Bradley-Terry: P(i beats j) = s_i / (s_i + s_j), by Hunter's MM iteration; as bradley_terry in statistics.py.

function bradleyTerry(wins, prior = 0) {
  const n = wins.length;
  const counts = wins.map((row, i) => row.map((value, j) => (i === j ? 0 : value + prior)));
  const total = counts.map((row) => row.reduce((sum, value) => sum + value, 0));
  let strengths = new Array(n).fill(1);
  for (let round = 0; round < 10000; round++) {
    const raw = strengths.map((own, i) => total[i] / strengths.reduce((sum, other, j) =>
      sum + (i === j ? 0 : (counts[i][j] + counts[j][i]) / (own + other)), 0));
    const mean = Math.exp(raw.reduce((sum, value) => sum + Math.log(value), 0) / n);
    const updated = raw.map((value) => value / mean);
    const change = Math.max(...updated.map((value, i) => Math.abs(value / strengths[i] - 1)));
    strengths = updated;
    if (change < 1e-12) break;
  }
  return strengths;
}

function countWins(votes, labels) {
  const wins = labels.map(() => labels.map(() => 0));
  for (const vote of votes) {
    const left = labels.indexOf(vote.left), right = labels.indexOf(vote.right);
    if (left < 0 || right < 0) continue;
    wins[left][right] += { left: 1, none: 0.5, right: 0 }[vote.choice];
    wins[right][left] += { left: 0, none: 0.5, right: 1 }[vote.choice];
  }
  return wins;
}

function ratingText(votes) {
  const wins = countWins(votes, data.labels);
  const strengths = bradleyTerry(wins, data.prior);
  const order = data.labels.map((_, i) => i).sort((a, b) => strengths[b] - strengths[a]);
  const width = Math.max(...data.labels.map((label) => label.length));
  const lines = order.map((i) => {
    const won = wins[i].reduce((sum, value) => sum + value, 0);
    const played = won + wins.reduce((sum, row) => sum + row[i], 0);
    const elo = 400 * Math.log10(strengths[i]);
    const signed = (elo < 0 ? "−" : "+") + Math.abs(elo).toFixed(0);
    return `${data.labels[i].padEnd(width)}  strength ${strengths[i].toFixed(3)}  Elo ${signed.padStart(5)}  won ${won} of ${played}`;
  });
  return `Bradley-Terry rating from ${votes.length} votes (geometric mean 1; a draw is half a win;\n` +
    `${data.prior} wins added to either side of every pair)\n` + lines.join("\n");
}

// ---- Votes: kept by the browser under the page's id; in memory where it refuses.

const key = `fourpass-votes-${data.id}`;
let votes = [];
try { votes = JSON.parse(localStorage.getItem(key)) || []; } catch { votes = []; }

function keepVotes() {
  try { localStorage.setItem(key, JSON.stringify(votes)); } catch { /* stays in memory */ }
  $("count").textContent = `${votes.length} ${votes.length === 1 ? "vote" : "votes"}`;
  if (!$("rating").hidden) $("rating").textContent = ratingText(votes);
}

function nextPair() {
  const pick = (n) => Math.floor(Math.random() * n);
  const first = pick(data.labels.length);
  const second = (first + 1 + pick(data.labels.length - 1)) % data.labels.length;
  state.pair = [data.labels[first], data.labels[second]];
  state.picture = pick(data.pictures.length);
}

function vote(choice) {
  const [left, right] = state.pair;
  const picture = data.pictures[state.picture].name;
  votes.push({ picture, left, right, choice, time: new Date().toISOString() });
  keepVotes();
  nextPair();
  draw();
  if (data.pictures[state.picture].name !== picture) fit();
}

function exportVotes() {
  const content = { format: "fourpass-votes-1", page: data.id, labels: data.labels, votes };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" }));
  link.download = "fourpass-votes.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// ---- Pictures

function image(label) {
  const element = document.createElement("img");
  element.src = data.pictures[state.picture].sources[label];
  element.alt = state.mode === "blind" ? "" : `${data.pictures[state.picture].name}, ${label}`;
  element.draggable = false;
  return element;
}

function layer(content) {
  const element = document.createElement("div");
  element.className = "layer";
  element.append(content);
  return element;
}

function tag(text, side) {
  const element = document.createElement("span");
  element.className = `tag ${side}`;
  element.textContent = text;
  return element;
}

function pane(...content) {
  const element = document.createElement("div");
  element.className = "pane";
  element.append(...content);
  return element;
}

function difference(first, second) {
  const { width, height } = data.pictures[state.picture];
  const canvas = Object.assign(document.createElement("canvas"), { id: "difference", width, height });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Absolute difference of ${first} and ${second}, amplified ${state.gain} times`);
  const pixels = (label) => new Promise((resolve) => {
    const source = image(label);
    source.decode().then(() => {
      const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
      context.drawImage(source, 0, 0);
      resolve(context.getImageData(0, 0, width, height));
    });
  });
  canvas.ready = Promise.all([pixels(first), pixels(second)]).then(([a, b]) => {
    for (let i = 0; i < a.data.length; i++) {
      if (i % 4 !== 3) a.data[i] = Math.min(255, state.gain * Math.abs(a.data[i] - b.data[i]));
    }
    canvas.getContext("2d").putImageData(a, 0, 0);
    canvas.dataset.done = "true";
  });
  return canvas;
}

function draw() {
  const stage = $("stage");
  const { left, right, mode } = state;
  if (mode === "slider") {
    const above = layer(image(left));
    above.classList.add("above");
    stage.replaceChildren(pane(layer(image(right)), above, tag(left, "left"), tag(right, "right"), handle()));
  } else if (mode === "side") {
    const labels = data.reference && ![left, right].includes(data.reference) ? [left, data.reference, right] : [left, right];
    stage.replaceChildren(...labels.map((label) => pane(layer(image(label)), tag(label, "left"))));
  } else if (mode === "difference") {
    stage.replaceChildren(pane(layer(difference(left, right)), tag(`|${left} − ${right}| × ${state.gain}`, "left")));
  } else {
    stage.replaceChildren(...state.pair.map((label) => pane(layer(image(label)))));
  }
  for (const button of $("modes").children) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
  $("blind").hidden = mode !== "blind";
  $("numbers").hidden = mode === "blind";
  $("chosen").hidden = mode === "blind";
  $("picture").disabled = mode === "blind";
  $("gain-label").hidden = mode !== "difference";
  $("picture").value = String(state.picture);
  $("left").value = left;
  $("right").value = right;
  numbers();
  place();
}

function handle() {
  const element = document.createElement("div");
  element.className = "handle";
  element.id = "handle";
  element.tabIndex = 0;
  element.setAttribute("role", "slider");
  element.setAttribute("aria-label", "Boundary between the left and the right picture");
  element.setAttribute("aria-valuemin", "0");
  element.setAttribute("aria-valuemax", "100");
  element.addEventListener("pointerdown", (event) => {
    event.stopPropagation();
    element.setPointerCapture(event.pointerId);
  });
  element.addEventListener("pointermove", (event) => {
    if (!element.hasPointerCapture(event.pointerId)) return;
    const box = element.parentElement.getBoundingClientRect();
    slide((event.clientX - box.left) / box.width);
  });
  return element;
}

function slide(to) {
  state.split = Math.min(1, Math.max(0, to));
  place();
}

// ---- Zoom and pan: one transform for every pane

function place() {
  for (const element of document.querySelectorAll(".layer > *")) {
    element.style.transform = `translate(${state.x}px, ${state.y}px) scale(${state.zoom})`;
    element.parentElement.classList.toggle("sharp", state.zoom >= 2);
  }
  const above = document.querySelector(".above"), bar = $("handle");
  if (above && bar) {
    const percent = 100 * state.split;
    above.style.clipPath = `inset(0 ${100 - percent}% 0 0)`;
    bar.style.left = `${percent}%`;
    bar.setAttribute("aria-valuenow", percent.toFixed(0));
    bar.setAttribute("aria-valuetext", `${percent.toFixed(0)} % ${state.left}`);
  }
  $("zoom").textContent = `${Math.round(100 * state.zoom)} %`;
}

function size() {
  const first = document.querySelector(".pane").getBoundingClientRect();
  return { width: first.width, height: first.height };
}

function fit() {
  const room = size(), { width, height } = data.pictures[state.picture];
  state.zoom = Math.min(room.width / width, room.height / height);
  centre();
}

function centre() {
  const room = size(), { width, height } = data.pictures[state.picture];
  state.x = (room.width - width * state.zoom) / 2;
  state.y = (room.height - height * state.zoom) / 2;
  place();
}

function zoomAt(factor, x = size().width / 2, y = size().height / 2) {
  const zoom = Math.min(64, Math.max(0.05, state.zoom * factor));
  state.x = x - (x - state.x) * zoom / state.zoom;
  state.y = y - (y - state.y) * zoom / state.zoom;
  state.zoom = zoom;
  place();
}

function pan(x, y) {
  state.x += x;
  state.y += y;
  place();
}

let dragged = null;
$("stage").addEventListener("pointerdown", (event) => {
  const over = event.target.closest(".pane");
  if (!over) return;
  dragged = { x: event.clientX, y: event.clientY };
  over.setPointerCapture(event.pointerId);
});
$("stage").addEventListener("pointermove", (event) => {
  if (!dragged) return;
  pan(event.clientX - dragged.x, event.clientY - dragged.y);
  dragged = { x: event.clientX, y: event.clientY };
});
for (const end of ["pointerup", "pointercancel"]) $("stage").addEventListener(end, () => { dragged = null; });
$("stage").addEventListener("wheel", (event) => {
  const over = event.target.closest(".pane");
  if (!over) return;
  event.preventDefault();
  const box = over.getBoundingClientRect();
  zoomAt(Math.exp(-event.deltaY / 400), event.clientX - box.left, event.clientY - box.top);
}, { passive: false });

// ---- Numbers

function numbers() {
  const table = document.createElement("table");
  const picture = data.pictures[state.picture];
  table.append(Object.assign(document.createElement("caption"), {
    textContent: data.pictures.length > 1 ? `${picture.name}, and the mean of all ${data.pictures.length} pictures` : picture.name,
  }));
  const head = table.createTHead().insertRow();
  const several = data.pictures.length > 1;
  const titles = data.metrics.map((metric) => `${metric.label} ${metric.better === "higher" ? "↑" : "↓"}`);
  for (const text of ["Method", ...titles, ...(several ? titles.map((title) => `mean ${title}`) : [])]) {
    head.append(Object.assign(document.createElement("th"), { textContent: text, scope: "col" }));
  }
  const body = table.createTBody();
  for (const label of shown) {
    const row = body.insertRow();
    row.append(Object.assign(document.createElement("th"), { textContent: label, scope: "row" }));
    const groups = several ? [picture.numbers, data.means] : [picture.numbers];
    for (const group of groups) data.metrics.forEach((metric, index) => cell(row, group, label, metric, index));
  }
  $("numbers").replaceChildren(table);
}

function cell(row, group, label, metric, index) {
  const value = group[label][index];
  const rivals = data.labels.map((other) => group[other][index]).filter((other) => other !== null);
  const best = metric.better === "higher" ? Math.max(...rivals) : Math.min(...rivals);
  const element = row.insertCell();
  element.textContent = value === null ? "–" : value.toFixed(metric.decimals);
  if (value !== null && value === best && data.labels.includes(label)) element.className = "best";
}

// ---- Controls

let kept = state.right; // what the difference view put the reference in place of

function choose(mode) {
  const before = state.mode;
  state.mode = mode;
  if (mode === "blind" && before !== "blind") nextPair();
  if (mode === "difference" && before !== "difference") {
    kept = state.right;
    if (data.reference) state.right = data.reference;
  } else if (before === "difference" && mode !== "difference") state.right = kept;
  draw();
  fit();
}

function turn(step) {
  if (state.mode === "blind") return;
  state.picture = (state.picture + step + data.pictures.length) % data.pictures.length;
  draw();
  fit();
}

for (const [index, picture] of data.pictures.entries()) $("picture").add(new Option(picture.name, String(index)));
for (const id of ["left", "right"]) {
  for (const label of shown) $(id).add(new Option(label, label));
  $(id).addEventListener("change", () => { state[id] = $(id).value; draw(); });
}
$("picture").addEventListener("change", () => { state.picture = Number($("picture").value); draw(); fit(); });
$("gain").addEventListener("input", () => {
  state.gain = Number($("gain").value);
  $("gain-value").textContent = `${state.gain}×`;
  draw();
});
for (const button of $("modes").children) button.addEventListener("click", () => choose(button.dataset.mode));
for (const button of document.querySelectorAll("[data-choice]")) {
  button.addEventListener("click", () => vote(button.dataset.choice));
}
$("in").addEventListener("click", () => zoomAt(1.5));
$("out").addEventListener("click", () => zoomAt(1 / 1.5));
$("fit").addEventListener("click", fit);
$("actual").addEventListener("click", () => { state.zoom = 1; centre(); });
$("rate").addEventListener("click", () => { $("rating").hidden = false; keepVotes(); fit(); });
$("export").addEventListener("click", exportVotes);
$("reset").addEventListener("click", () => { votes = []; $("rating").hidden = true; keepVotes(); fit(); });

const moves = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || ["SELECT", "INPUT"].includes(event.target.tagName)) return;
  const modes = { s: "slider", d: "side", f: "difference", b: "blind" };
  const choices = { 1: "left", 2: "right", 0: "none" };
  if (event.key in moves) {
    const [x, y] = moves[event.key];
    if (state.mode === "slider" && !event.shiftKey && x) slide(state.split - x * 0.02);
    else pan(40 * x, 40 * y);
  } else if (event.key === "+" || event.key === "=") zoomAt(1.5);
  else if (event.key === "-") zoomAt(1 / 1.5);
  else if (event.key === "[") turn(-1);
  else if (event.key === "]") turn(1);
  else if (event.key in modes) choose(modes[event.key]);
  else if (state.mode === "blind" && event.key in choices) vote(choices[event.key]);
  else if (event.key === "0") fit();
  else return;
  event.preventDefault();
});
window.addEventListener("resize", fit);

$("protocol").textContent = data.protocol;
keepVotes();
draw();
fit();

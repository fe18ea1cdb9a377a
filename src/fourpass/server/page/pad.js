// The look: one slider where the model has one dial, a pad of two where it has two. `null` stands for the model's own choice.

const WORDS = {
  strength: { title: "Strength", low: "true to the photo", high: "looks sharp" },
  restore: { title: "Restore", low: "as it is", high: "cleaned" },
};
const STEP = 0.05;
const values = {};
const found = {};  // where `auto` stands for the photo at hand, of dials that depend on it
let dials = [];
let scale = 4;
let changed = () => {};
const parts = {};

const usual = (dial) => found[dial.name]?.value ?? Number(dial.defaults[scale] ?? dial.defaults[Object.keys(dial.defaults).at(-1)] ?? 0);
const position = (dial) => values[dial.name] ?? usual(dial);
const round = (value) => Math.round(Math.min(1, Math.max(0, value)) / STEP) * STEP;

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export function setUp(given, change) {
  dials = given;
  changed = change;
  const root = document.getElementById("pad");
  root.replaceChildren();
  if (!dials.length) {
    root.append(element("p", { className: "hint", textContent: "This model has one look." }));
    return;
  }
  if (dials.length > 1) root.append(makePad());
  for (const dial of dials) root.append(makeSlider(dial));
  draw();
}

function set(dial, value) {
  values[dial.name] = value === null ? null : Number(round(value).toFixed(2));
  draw();
  changed();
}

function makeSlider(dial) {
  const { title, low, high } = WORDS[dial.name] ?? { title: dial.name, low: dial.ends[0], high: dial.ends[1] };
  const range = element("input", { type: "range", min: 0, max: 1, step: STEP, id: dial.name, name: dial.name });
  const output = element("output", { id: `${dial.name}-value`, htmlFor: dial.name });
  const auto = element("button", { type: "button", className: "quiet small", id: `${dial.name}-auto`, textContent: "auto" });
  auto.ariaLabel = `${title}: auto`;
  const ends = element("span", { className: "ends", id: `${dial.name}-ends` }, element("span", { textContent: low }), element("span", { textContent: high }));
  range.setAttribute("aria-describedby", ends.id);
  range.addEventListener("input", (event) => { event.stopPropagation(); set(dial, Number(range.value)); });
  auto.addEventListener("click", () => set(dial, null));
  const reason = element("p", { className: "hint reason", id: `${dial.name}-reason` });
  parts[dial.name] = { range, output, auto, reason };
  const head = element("div", { className: "row" }, element("label", { htmlFor: dial.name, textContent: title }), output, auto);
  return element("div", { className: "dial" }, head, range, ends, reason);
}

function makePad() {
  const [across, up] = dials;
  const field = element("div", { className: "pad", tabIndex: 0 });
  field.setAttribute("role", "application");
  field.ariaLabel = `${WORDS[across.name].title} left and right, ${WORDS[up.name].title} up and down, with the arrow keys`;
  const corner = (name, x, y) => element("span", { className: `corner ${name}`, ariaHidden: "true", textContent: `${WORDS[across.name][x]}, ${WORDS[up.name][y]}` });
  parts.auto = element("span", { className: "dot", ariaHidden: "true" });
  parts.knob = element("span", { className: "knob", ariaHidden: "true" });
  field.append(corner("tl", "low", "high"), corner("tr", "high", "high"), corner("bl", "low", "low"), corner("br", "high", "low"), parts.auto, parts.knob);
  const move = (event) => {
    const box = field.getBoundingClientRect();
    values[across.name] = Number(round((event.clientX - box.left) / box.width).toFixed(2));
    set(up, 1 - (event.clientY - box.top) / box.height);
  };
  field.addEventListener("pointerdown", (event) => { field.setPointerCapture(event.pointerId); move(event); });
  field.addEventListener("pointermove", (event) => { if (field.hasPointerCapture(event.pointerId)) move(event); });
  field.addEventListener("keydown", (event) => {
    const [dial, step] = { ArrowLeft: [across, -STEP], ArrowRight: [across, STEP], ArrowUp: [up, STEP], ArrowDown: [up, -STEP] }[event.key] ?? [];
    if (!dial) return;
    event.preventDefault();
    set(dial, position(dial) + step);
  });
  return field;
}

function draw() {
  for (const dial of dials) {
    const { range, output, auto, reason } = parts[dial.name];
    const free = values[dial.name] == null;
    range.value = position(dial);
    output.textContent = free ? `auto (${usual(dial).toFixed(2)})` : position(dial).toFixed(2);
    reason.textContent = found[dial.name] ? `auto: ${found[dial.name].reason}` : dial.name === "restore" ? "auto: as much as each photo needs" : "";
    auto.setAttribute("aria-pressed", free);
  }
  if (dials.length < 2) return;
  const place = (node, x, y) => { node.style.left = `${100 * x}%`; node.style.top = `${100 * (1 - y)}%`; };
  place(parts.auto, ...dials.slice(0, 2).map(usual));
  place(parts.knob, ...dials.slice(0, 2).map(position));
}

// The scale decides where `auto` stands.
export function setScale(next) {
  if (scale === next) return;
  scale = next;
  if (dials.length) draw();
}

export const names = () => dials.map((dial) => dial.name);

export const has = (name) => dials.some((dial) => dial.name === name);

// Say where `auto` stands for the photo at hand, and why; null where that is not known.
export function setUsual(name, value, reason) {
  if (value === null) delete found[name]; else found[name] = { value, reason };
  if (dials.length) draw();
}

export function current() {
  return Object.fromEntries(dials.filter((dial) => values[dial.name] != null).map((dial) => [dial.name, values[dial.name]]));
}

export function use(options) {
  for (const dial of dials) values[dial.name] = options[dial.name] ?? null;
  if (dials.length) draw();
}

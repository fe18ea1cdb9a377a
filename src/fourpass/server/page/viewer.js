// The viewer: a photo and its result, as large as the window allows.

import { Compare } from "./compare.js";

const $ = (id) => document.getElementById(id);
let compare;

export function setUp() {
  compare = new Compare($("stage"), { zoomed: (percent) => { $("zoom-value").textContent = `${Math.round(percent)} %`; } });
  $("close").addEventListener("click", () => $("viewer").close());
  $("viewer").addEventListener("close", () => compare.clear());
  $("fit").addEventListener("click", () => compare.fit());
  $("whole").addEventListener("click", () => compare.whole());
  $("in").addEventListener("click", () => compare.zoomBy(1.5));
  $("out").addEventListener("click", () => compare.zoomBy(1 / 1.5));
  for (const button of document.querySelectorAll("[data-layout]")) {
    if (button.type === "button") button.addEventListener("click", () => choose(button.dataset.layout));
  }
  $("viewer").addEventListener("keydown", (event) => { compare.key(event); });
}

function choose(layout) {
  compare.setLayout(layout);
  for (const button of document.querySelectorAll("button[data-layout]")) button.setAttribute("aria-pressed", button.dataset.layout === layout);
}

export async function open(title, before, after) {
  $("viewer-title").textContent = title;
  $("viewer").showModal();
  compare.line.focus();
  await compare.show(before, after);
}

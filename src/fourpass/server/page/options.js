// The form of options: what is asked for, as the API takes it.

import * as pad from "./pad.js";

const $ = (id) => document.getElementById(id);
const SIZES = ["scale", "width", "height", "longest", "megapixels"];
let scales = [2, 4, 8];
let model = "";

export function setUp(models, changed) {
  scales = models.scales;
  model = models.default;
  for (const option of [...$("mode").options]) {
    const [kind, factor] = option.value.split(":");
    if (kind === "scale" && Number(factor) > Math.max(...scales)) option.remove();
  }
  for (const { name } of models.formats) $("format").append(new Option(name, name));
  pad.setUp(models.dials, changed);
  $("mode").addEventListener("change", () => {
    $("amount").value = $("mode").value === "megapixels" ? 12 : 2000;
  });
  $("options").addEventListener("input", () => { show(); changed(); });
  $("options").addEventListener("submit", (event) => event.preventDefault());
  show();
}

function show() {
  const [kind] = $("mode").value.split(":");
  $("amount-label").hidden = kind === "scale" || kind === "sensible";
  $("unit").textContent = kind === "megapixels" ? "megapixels" : "pixels";
}

// What is asked for; the size is left out where it is as large as sensible, which each photo has its own answer to.
export function current() {
  const [kind, factor] = $("mode").value.split(":");
  const options = kind === "sensible" ? {} : { [kind]: factor || $("amount").value };
  Object.assign(options, pad.current());
  if ($("format").value) options.format = $("format").value;
  if ($("strip").checked) options.strip = true;
  return options;
}

export const sensible = () => $("mode").value === "sensible";

// Put options that a job was sent with back into the form.
export function use(options) {
  const kind = SIZES.find((name) => name in options) ?? "sensible";
  const value = kind === "scale" ? `scale:${options.scale}` : kind;
  if ([...$("mode").options].some((option) => option.value === value)) $("mode").value = value;
  if (kind !== "scale" && kind !== "sensible") $("amount").value = options[kind];
  $("format").value = options.format ?? "";
  $("strip").checked = options.strip ?? false;
  pad.use(options);
  $("options").dispatchEvent(new Event("input"));
}

// The factor for trying a part of a photo of this size; it also says where the pad's `auto` stands. A plan counts only where the
// size is left to the server: it may still be the one for what was asked before.
export function factor({ width, height }, plan) {
  const [kind, amount] = sensible() ? Object.entries(plan?.asked ?? { scale: 4 })[0] : Object.entries(current()).find(([name]) => SIZES.includes(name));
  const number = Number(amount) || 1;
  const asked = {
    scale: number, width: number / width, height: number / height,
    longest: number / Math.max(width, height), megapixels: Math.sqrt(number * 1e6 / (width * height)),
  }[kind];
  const chosen = Math.min(Math.max(...scales), Math.max(1, asked));
  pad.setScale(scales.find((each) => each >= chosen) ?? scales.at(-1));
  return Number(chosen.toFixed(4));
}

export function inWords(options) {
  const words = [];
  for (const name of SIZES) if (name in options) words.push(name === "scale" ? `${options.scale} times` : `${name} ${options[name]}`);
  for (const name of pad.names()) words.push(`${name} ${options[name] ?? "auto"}`);
  if (options.format) words.push(options.format);
  if (options.strip) words.push("without metadata");
  return words.join(", ");
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

export function asCommand(name, options) {
  const flags = Object.entries(options).map(([key, value]) => (
    key === "strip" ? "--strip" : `--${key === "format" ? "ext" : key} ${value}`));
  const served = /^[\w.-]+$/.test(model) ? model : quoted(model);
  return `fourpass upscale ${quoted(name.startsWith("-") ? `./${name}` : name)} -n ${served} ${flags.join(" ")}`.trim();
}

export function asCurl(name, options, small) {
  const file = name.replaceAll("\\", "\\\\").replaceAll('"', '\\"');
  const fields = Object.entries(options).map(([key, value]) => `-F ${key}=${value} `).join("");
  const path = `${location.origin}${location.pathname}v1/${small ? "upscale" : "jobs"}`;
  return `curl -F ${quoted(`image=@"${file}"`)} ${fields}${path}${small ? " -OJ" : ""}`;
}

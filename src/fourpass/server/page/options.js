// The form of options: what is asked for, as the API takes it.

const $ = (id) => document.getElementById(id);

export function setUp(models, changed) {
  const names = models.models.map((model) => model.name);
  const strength = $("strength");
  const dialled = names.includes("fourpass");
  strength.disabled = !dialled;
  strength.value = dialled ? 0.5 : 0;
  $("dial-hint").textContent = dialled ? "" : "Only the faithful weights are installed on this server, so the dial is fixed.";
  const show = () => {
    const [kind] = $("mode").value.split(":");
    $("amount-label").hidden = kind === "scale";
    $("unit").textContent = kind === "megapixels" ? "megapixels" : "pixels";
    $("strength-value").textContent = Number(strength.value).toFixed(2);
  };
  $("mode").addEventListener("change", () => {
    $("amount").value = $("mode").value === "megapixels" ? 12 : 2000;
  });
  $("options").addEventListener("input", () => { show(); changed(); });
  $("options").addEventListener("submit", (event) => event.preventDefault());
  show();
}

export function current() {
  const [kind, factor] = $("mode").value.split(":");
  const options = { [kind]: factor || $("amount").value };
  if (!$("strength").disabled) options.strength = $("strength").value;
  if ($("format").value) options.format = $("format").value;
  if ($("strip").checked) options.strip = true;
  return options;
}

// The factor for trying a part of a photo of this size.
export function factor({ width, height }) {
  const [kind, given] = $("mode").value.split(":");
  const amount = Number(given || $("amount").value) || 1;
  const factors = {
    scale: amount, width: amount / width, height: amount / height,
    longest: amount / Math.max(width, height), megapixels: Math.sqrt(amount * 1e6 / (width * height)),
  };
  return Math.min(8, Math.max(1, factors[kind]));
}

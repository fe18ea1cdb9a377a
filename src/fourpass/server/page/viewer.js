// Before and after at any zoom: both pictures move together.

const $ = (id) => document.getElementById(id);
const view = { zoom: 1, x: 0, y: 0 };

export function setUp() {
  $("close").addEventListener("click", () => $("viewer").close());
  $("zoom").addEventListener("input", () => { view.zoom = 2 ** ($("zoom").value / 20); apply(); });
  const stage = $("stage");
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomBy(2 ** (-event.deltaY / 400));
  }, { passive: false });
  let from = null;
  stage.addEventListener("pointerdown", (event) => {
    if (!event.shiftKey) return;
    event.stopPropagation();
    event.preventDefault();
    from = { x: event.clientX - view.x, y: event.clientY - view.y };
    stage.setPointerCapture(event.pointerId);
  }, true);
  stage.addEventListener("pointermove", (event) => {
    if (from) { view.x = event.clientX - from.x; view.y = event.clientY - from.y; apply(); }
  });
  stage.addEventListener("pointerup", () => { from = null; });
  $("viewer").addEventListener("keydown", (event) => {
    if (event.target.id === "zoom") return;
    if (event.key === "+" || event.key === "=") zoomBy(1.25);
    else if (event.key === "-") zoomBy(0.8);
    else if (event.shiftKey && event.key.startsWith("Arrow")) {
      const step = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }[event.key];
      view.x += step[0];
      view.y += step[1];
      event.preventDefault();
      event.stopPropagation();
      apply();
    }
  }, true);
}

export function open(title, before, after) {
  $("viewer-title").textContent = title;
  $("before").src = before;
  $("after").src = after;
  Object.assign(view, { zoom: 1, x: 0, y: 0 });
  apply();
  $("viewer").showModal();
  $("slider").focus();
}

function zoomBy(factor) {
  view.zoom = Math.max(1, Math.min(32, view.zoom * factor));
  apply();
}

function apply() {
  if (view.zoom === 1) { view.x = 0; view.y = 0; }
  const transform = `translate(${view.x}px, ${view.y}px) scale(${view.zoom})`;
  for (const id of ["before", "after"]) $(id).style.transform = transform;
  $("zoom").value = 20 * Math.log2(view.zoom);
  $("zoom-value").textContent = `${Math.round(view.zoom * 100)} %`;
}

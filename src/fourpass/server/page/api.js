// The server's API: every request of the page goes through here.

// `fourpass serve --open` gives the token behind the #, which no server or log gets to see.
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  sessionStorage.setItem("fourpass-token", given);
  history.replaceState(null, "", location.pathname);
}
let token = sessionStorage.getItem("fourpass-token") || "";
let asking = null;

export class Problem extends Error {
  constructor(status, detail) { super(detail); this.status = status; }
}

export const needsToken = () => token !== "";

// Ask for the token; however many requests want it, there is one dialog.
function askForToken(wrong) {
  asking ??= new Promise((resolve, reject) => {
    const dialog = document.getElementById("token");
    const field = document.getElementById("token-value");
    document.getElementById("token-wrong").textContent = wrong ? "That is not the token." : "";
    field.value = "";
    dialog.returnValue = "cancelled";
    dialog.addEventListener("close", () => {
      asking = null;
      if (dialog.returnValue === "cancelled") return reject(new Problem(401, "Without its token this server does nothing; reload the page to give it."));
      token = field.value;
      sessionStorage.setItem("fourpass-token", token);
      resolve();
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

export async function request(path, init = {}) {
  for (;;) {
    const used = token;
    let answer;
    try {
      answer = await fetch(path, { ...init, headers: token ? { Authorization: `Bearer ${token}` } : {} });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, "The server does not answer. Is it running? Start it with: fourpass serve");
    }
    if (answer.status === 401) {
      if (used === token) await askForToken(used !== "");
      continue;
    }
    if (!answer.ok) {
      const problem = await answer.json().catch(() => ({ detail: answer.statusText }));
      throw new Problem(answer.status, problem.detail);
    }
    return answer;
  }
}

function form(file, name, options) {
  const data = new FormData();
  data.append("image", file, name);
  for (const [key, value] of Object.entries(options)) data.append(key, String(value));
  return data;
}

export const models = async () => (await request("v1/models")).json();

export async function plan(size, source, options, signal) {
  const query = new URLSearchParams({ rows: size.height, columns: size.width, source, ...options });
  return (await request(`v1/plan?${query}`, { signal })).json();
}

export async function preview(file, options, signal) {
  return (await request("v1/preview", { method: "POST", body: form(file, "part.png", options), signal })).blob();
}

// A picture that the browser cannot show, as one that it can, and its true size.
export async function view(file) {
  return shown(await request("v1/view", { method: "POST", body: form(file, file.name, {}) }));
}

// How much of its wear would be taken out of a picture, and why.
export const wear = async (file) => (await request("v1/restore", { method: "POST", body: form(file, file.name, {}) })).json();

export const viewResult = async (id) => (await request(`v1/jobs/${id}/view`)).blob();

async function shown(answer) {
  const [width, height] = answer.headers.get("X-Size").split("x").map(Number);
  return { blob: await answer.blob(), width, height };
}

// The request itself is not given up: the server may have the job already, and whoever leaves has to know its id to stop it.
export async function createJob(file, name, options, signal) {
  for (;;) {
    try {
      return await (await request("v1/jobs", { method: "POST", body: form(file, name, options) })).json();
    } catch (error) {
      if (error.status !== 429) throw error;  // the queue is full: wait, as we are told to
      await new Promise((resolve) => setTimeout(resolve, 5000));
      signal.throwIfAborted();
    }
  }
}

export const job = async (id) => (await request(`v1/jobs/${id}`)).json();

const OVER = ["done", "failed", "cancelled"];

// Call back with each state of a job until it is over, and return the last.
export async function follow(id, report, signal) {
  let state = { state: "queued", progress: 0 };
  const take = (next) => report(state = next);
  try {
    await listen(id, take, signal);
  } catch (error) {
    if (error.name === "AbortError" || (error instanceof Problem && error.status)) throw error;
  }
  while (!OVER.includes(state.state)) {  // the stream was cut: ask now and then instead
    signal.throwIfAborted();
    take(await job(id));
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  return state;
}

async function listen(id, take, signal) {
  const answer = await request(`v1/jobs/${id}/events`, { signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (text + value).split("\n\n");
    text = events.pop();
    for (const event of events) if (event.startsWith("data: ")) take(JSON.parse(event.slice(6)));
  }
}

// A file of the server under its own name.
async function named(path) {
  const answer = await request(path);
  const offered = answer.headers.get("Content-Disposition") || "";
  const name = decodeURIComponent(offered.split("UTF-8''")[1] || "picture");
  return new File([await answer.blob()], name, { type: answer.headers.get("Content-Type") });
}

export const resultPath = (id) => `v1/jobs/${id}/result`;
export const archivePath = (ids) => `v1/archive?${new URLSearchParams(ids.map((id) => ["id", id]))}`;
export const result = (id) => named(resultPath(id));
export const source = (id) => named(`v1/jobs/${id}/source`);

// Save what lies at a path: straight to the disk, or through memory where a token has to be shown.
export async function save(path) {
  const link = document.createElement("a");
  link.download = "";
  link.href = path;
  if (needsToken()) {
    const file = await named(path);
    link.href = URL.createObjectURL(file);
    link.download = file.name;
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }
  link.click();
}

export const remove = (id) => request(`v1/jobs/${id}`, { method: "DELETE", keepalive: true }).catch(() => {});

// The server's API: every request of the page goes through here.

let token = sessionStorage.getItem("fourpass-token") || "";

export class Problem extends Error {
  constructor(status, detail) { super(detail); this.status = status; }
}

async function askForToken() {
  const dialog = document.getElementById("token");
  const field = document.getElementById("token-value");
  field.value = "";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  token = field.value;
  sessionStorage.setItem("fourpass-token", token);
}

export async function request(path, init = {}, again = true) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let answer;
  try {
    answer = await fetch(path, { ...init, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The server does not answer.");
  }
  if (answer.status === 401 && again) {
    await askForToken();
    return request(path, init, false);
  }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({ detail: answer.statusText }));
    throw new Problem(answer.status, problem.detail);
  }
  return answer;
}

function form(file, name, options) {
  const data = new FormData();
  data.append("image", file, name);
  for (const [key, value] of Object.entries(options)) data.append(key, String(value));
  return data;
}

export const models = async () => (await request("v1/models")).json();

export async function upscale(file, name, options, signal) {
  const answer = await request("v1/upscale", { method: "POST", body: form(file, name, options), signal });
  return answer.blob();
}

export async function createJob(file, name, options) {
  for (;;) {
    try {
      return await (await request("v1/jobs", { method: "POST", body: form(file, name, options) })).json();
    } catch (error) {
      if (error.status !== 429) throw error;  // the queue is full: wait, as we are told to
      await new Promise((resolve) => setTimeout(resolve, 5000));
    }
  }
}

const OVER = ["done", "failed", "cancelled"];

// Call back with each state of a job until it is over, and return the last.
export async function follow(id, report) {
  let state = { state: "queued", progress: 0 };
  const take = (next) => report(state = next);
  try {
    await listen(id, take);
  } catch (error) {
    if (error instanceof Problem && error.status) throw error;
  }
  while (!OVER.includes(state.state)) {  // the stream was cut: ask now and then instead
    take(await (await request(`v1/jobs/${id}`)).json());
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  return state;
}

async function listen(id, take) {
  const answer = await request(`v1/jobs/${id}/events`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (text + value).split("\n\n");
    text = events.pop();
    for (const event of events) if (event.startsWith("data: ")) take(JSON.parse(event.slice(6)));
  }
}

export async function result(id) {
  const answer = await request(`v1/jobs/${id}/result`);
  const offered = answer.headers.get("Content-Disposition") || "";
  const name = decodeURIComponent(offered.split("UTF-8''")[1] || "picture");
  return { blob: await answer.blob(), name };
}

export const remove = (id) => request(`v1/jobs/${id}`, { method: "DELETE" }).catch(() => {});

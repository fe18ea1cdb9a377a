// Which jobs this browser has on the server, so that a reload finds them again.

const KEY = "fourpass-jobs";

export function load() {
  try {
    const ids = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(ids) ? ids.filter((id) => typeof id === "string") : [];
  } catch {
    return [];
  }
}

function save(ids) {
  try {
    localStorage.setItem(KEY, JSON.stringify(ids));
  } catch { /* no storage here: a reload forgets */ }
}

export const add = (id) => save([...load().filter((each) => each !== id), id]);
export const remove = (id) => save(load().filter((each) => each !== id));

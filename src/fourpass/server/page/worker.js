// Keeps the page itself, so that an installed one opens and says what is wrong where its server is not running.

const NAME = "fourpass-page";
const FILES = [
  "./", "page/style.css", "page/icon.svg", "page/icon-192.png", "page/manifest.webmanifest", "page/main.js", "page/api.js", "page/compare.js",
  "page/options.js", "page/pad.js", "page/photo.js", "page/preview.js", "page/store.js", "page/viewer.js", "page/example.jpg",
];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

// The server's own answer where there is one, so that a new version is seen at once; what is kept where there is none.
self.addEventListener("fetch", (event) => {
  const { pathname } = new URL(event.request.url);
  if (event.request.method !== "GET" || pathname.includes("/v1/")) return;
  event.respondWith(fetch(event.request).catch(() => caches.match(event.request, { ignoreSearch: true }).then((kept) => kept ?? Response.error())));
});

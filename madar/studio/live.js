/** One socket for everything of this person; whoever was away knows what the others know. */
import { masked, note } from "./calls.js";
import { forget, hear, take } from "./generations.js";
import { recogniseAgain } from "./session.js";
import { adopt, sendTheLost } from "./slots.js";
import { store } from "./store.js";

const PING_MS = 25_000;
const PONG_MS = 10_000;
const LONGEST_MS = 30_000;
const STEADY_MS = 60_000;
const RESTARTING = 1012;
const NOT_SIGNED_IN = 4401;
const ACCOUNT_CLOSED = 4403;
const TOO_MANY = 4429;

/** @type {WebSocket | null} */
let socket = null;
let cursor = "";
let failures = 0;
let openedAt = 0;
/** @type {any} */
let retry = 0;
/** @type {any} */
let silence = 0;
/** @type {any} */
let beat = 0;
/** @type {Set<() => void>} told when much may have changed unseen */
const gaps = new Set();

/** @param {() => void} listener */
export function onGap(listener) {
  gaps.add(listener);
  return () => void gaps.delete(listener);
}

export function start() {
  addEventListener("online", reconnect);
  addEventListener("offline", () => {
    store.set({ live: "offline" });
    drop();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    if (store.get().session === "ended") void recogniseAgain().then((is) => is && reconnect());
    else if (socket?.readyState === WebSocket.OPEN) ping();
    else reconnect();
  });
  connect();
}

/** At once, whatever it was waiting for. */
export function reconnect() {
  if (socket || store.get().session !== "open") return;
  clearTimeout(retry);
  connect();
}

function connect() {
  if (!navigator.onLine) return store.set({ live: "offline" });
  if (store.get().live !== "updating") store.set({ live: failures ? "waiting" : "connecting" });
  const url = new URL("/ws", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const line = new WebSocket(url);
  socket = line;
  line.onopen = () => say({ type: "join:mine", ...(cursor ? { since: cursor } : {}) });
  line.onmessage = ({ data }) => socket === line && read(JSON.parse(data));
  line.onclose = ({ code }) => socket === line && ended(code);
}

/** @param {Record<string, unknown>} message */
function say(message) {
  socket?.send(JSON.stringify(message));
}

function ping() {
  say({ type: "ping" });
  clearTimeout(silence);
  silence = setTimeout(() => {
    drop();
    ended(0);
  }, PONG_MS);
}

/** @param {any} message */
function read(message) {
  clearTimeout(silence);
  if (message.type === "pong") return;
  note({ kind: "event", method: "ws", path: message.type, answer: masked(message) });
  if (message.type === "joined" && message.mine) joined(message);
  else if (message.type === "generation:deleted") forget(message.generationId);
  else if (message.type.startsWith("generation:")) {
    void hear(message).then((doc) => doc && adopt([doc]));
  }
}

/** @param {any} message */
function joined(message) {
  const isFirst = openedAt === 0;
  cursor = message.cursor;
  openedAt = Date.now();
  clearInterval(beat);
  beat = setInterval(ping, PING_MS);
  store.set({ live: "open" });
  take(message.generations);
  adopt(message.generations);
  for (const id of message.deleted) forget(id);
  if (isFirst) return;
  sendTheLost();
  // What lists show is refetched, not trusted.
  for (const listener of gaps) listener();
}

/** @param {number} code */
function ended(code) {
  drop();
  if (code === NOT_SIGNED_IN) return store.set({ session: "ended" });
  if (code === ACCOUNT_CLOSED) return store.set({ session: "closed" });
  if (Date.now() - openedAt > STEADY_MS && openedAt) failures = 0;
  const longest = Math.min(LONGEST_MS, 500 * 2 ** failures++);
  const wait = code === TOO_MANY ? LONGEST_MS * (1 + Math.random()) : Math.random() * longest;
  store.set({ live: navigator.onLine ? (code === RESTARTING ? "updating" : stays()) : "offline" });
  retry = setTimeout(connect, wait);
}

/** A server that updates is away for a moment, and its page goes on saying so. */
const stays = () => (store.get().live === "updating" && failures < 8 ? "updating" : "waiting");

function drop() {
  clearInterval(beat);
  clearTimeout(silence);
  clearTimeout(retry);
  const line = socket;
  socket = null;
  line?.close();
}

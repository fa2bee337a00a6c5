// The report's load test, signed in, with the report's targets as thresholds: https://k6.io
//
//   RATE_LIMIT_SIGN_IN=1000/1m make run             # two hundred people sign in from one address
//   k6 run bench/k6.js                              # 16 minutes: 100 people, then 200
//   k6 run -e BASE=https://api.example.com -e TOKENS=token,token,… bench/k6.js
//
// Where there is no local Google to sign people in, TOKENS has bearer tokens of people who are: one
// for each, as a person may read 3,000 times in 15 minutes and have ten sockets. `make load` does
// more, a thousand people with pictures and uploads, and brings what it needs (bench/load.py).
import { check, sleep } from "k6";
import exec from "k6/execution";
import http from "k6/http";
import { Counter } from "k6/metrics";
import { WebSocket } from "k6/websockets";

const BASE = __ENV.BASE || "http://localhost:8000";
const PEOPLE = 200;

const dropped = new Counter("sockets_dropped");

export const options = {
  setupTimeout: "2m",
  scenarios: {
    // One visit is one person who looks around and keeps a socket open meanwhile.
    people: {
      executor: "ramping-vus",
      startVUs: 0,
      stages: [
        { duration: "2m", target: 100 },
        { duration: "5m", target: 100 },
        { duration: "2m", target: 200 },
        { duration: "5m", target: 200 },
        { duration: "2m", target: 0 },
      ],
      gracefulRampDown: "70s",
    },
  },
  // "Target response time" and "max response time" of the report.
  thresholds: {
    "http_req_duration{name:GET /api/generations}": ["p(95)<200", "max<500"],
    "http_req_duration{name:GET /api/generations/:id}": ["p(95)<100", "max<300"],
    "http_req_duration{name:POST /api/auth/google/callback}": ["p(95)<500", "max<1000"],
    http_req_failed: ["rate==0"],
    checks: ["rate==1"],
    sockets_dropped: ["count==0"],
  },
};

export function setup() {
  if (__ENV.TOKENS) return { tokens: __ENV.TOKENS.split(",") };
  return { tokens: Array.from({ length: PEOPLE }, (_, number) => signIn(number)) };
}

/** By the local Google of `make run`, which signs in whoever is hinted at. */
function signIn(number) {
  const { url } = http.get(`${BASE}/api/auth/google/url`).json();
  const hint = encodeURIComponent(`k6-${number}@madar.test`);
  const sentBack = http.get(`${url}&login_hint=${hint}`, { redirects: 0 });
  const query = (name) =>
    decodeURIComponent(new RegExp(`[?&]${name}=([^&]*)`).exec(sentBack.headers.Location)[1]);
  const answer = http.post(
    `${BASE}/api/auth/google/callback`,
    JSON.stringify({ code: query("code"), state: query("state") }),
    { headers: { "Content-Type": "application/json" }, tags: { name: "POST /api/auth/google/callback" } },
  );
  check(answer, { "signed in": (r) => r.status === 200 });
  return answer.json("token");
}

export default function ({ tokens }) {
  const token = tokens[(exec.vu.idInTest - 1) % tokens.length];
  const headers = { Authorization: `Bearer ${token}` };
  const ask = (method, path, name) => http.request(method, BASE + path, null, { headers, tags: { name } });

  const ticket = ask("POST", "/api/live/ticket", "POST /api/live/ticket").json("ticket");
  const address = `${BASE.replace(/^http/, "ws")}/ws`;
  const socket = new WebSocket(address, ["madar.v1", `ticket.${ticket}`]);
  let isOver = false;
  socket.addEventListener("open", () => {
    socket.send(JSON.stringify({ type: "join:mine" }));
    // A timer, because while a visit sleeps its socket hears nothing.
    let looks = 0;
    const looking = setInterval(() => {
      look(ask);
      if (++looks < 30) return;
      isOver = true;
      clearInterval(looking);
      socket.close();
    }, 2000);
  });
  socket.addEventListener("close", () => isOver || dropped.add(1));
  socket.addEventListener("error", () => dropped.add(1));
  sleep(Math.random());
}

function look(ask) {
  const list = ask("GET", "/api/generations", "GET /api/generations");
  check(list, {
    "status is 200": (r) => r.status === 200,
    "response time < 500ms": (r) => r.timings.duration < 500,
  });
  const newest = list.json("generations.0.id");
  if (!newest) return;
  const one = ask("GET", `/api/generations/${newest}`, "GET /api/generations/:id");
  check(one, { "status of one is 200": (r) => r.status === 200 });
}

// A page with socket.io-client: lines of JSON tell it what to do, and it tells what it sees in the same way.
const readline = require("node:readline");
const { io } = require(process.argv[2]);

const sockets = new Map();
const tell = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const acts = {
  open({ name, url, options }) {
    const socket = io(url, { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200, ...options });
    sockets.set(name, socket);
    const say = (event, body) => tell({ name, event, body });
    socket.on("connect", () => say("connect", { transport: socket.io.engine.transport.name }));
    socket.on("connect_error", (error) => say("connect_error", { message: error.message, data: error.data, active: socket.active }));
    socket.on("disconnect", (reason) => say("disconnect", { reason, active: socket.active }));
    socket.io.engine.on("upgrade", (transport) => say("upgrade", { transport: transport.name }));
    socket.onAny((event, ...given) => say(event, given[0]));
  },
  ask({ name, event, given }) {
    sockets.get(name).timeout(10000).emit(event, ...given, (error, answer) => {
      tell({ name, event: "answer", body: error ? { failed: String(error) } : answer });
    });
  },
  say({ name, event, given }) {
    sockets.get(name).emit(event, ...given);
  },
  close({ name }) {
    sockets.get(name).disconnect();
  },
};

readline
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { act, ...rest } = JSON.parse(line);
    acts[act](rest);
  })
  .on("close", () => process.exit(0));

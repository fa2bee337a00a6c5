/** `node build.mjs [folder]`: the package as it is published, with the types of docs/contract in it. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "..", "..");
const out = process.argv[2] ?? join(here, "dist");
if (!process.argv[2]) rmSync(out, { recursive: true, force: true });

const compiler = join(root, "frontend", "node_modules", "typescript", "lib", "tsc.js");
const command = [compiler, "--project", here, "--outDir", out];
const { status } = spawnSync(process.execPath, command, { stdio: "inherit" });
if (status !== 0) process.exit(1);

mkdirSync(join(out, "contract"), { recursive: true });
for (const name of ["api.d.ts", "events.d.ts"]) {
  cpSync(join(root, "docs", "contract", name), join(out, "contract", name));
}

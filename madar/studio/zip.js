/** Many pictures in one file. */
import { downloadZip } from "client-zip";
import { Problem } from "./api.js";
import { fileOf, save } from "./generations.js";

/**
 * @param {string[]} ids
 * @param {(n: number) => void} tell which of them is fetched
 */
export async function downloadZipOf(ids, tell) {
  const blob = await downloadZip(files(ids, tell)).blob();
  const link = URL.createObjectURL(blob);
  save(link, "madar.zip");
  setTimeout(() => URL.revokeObjectURL(link), 60_000); // a browser may ask first where to save it
}

/** @param {string[]} ids @param {(n: number) => void} tell */
async function* files(ids, tell) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const [n, id] of ids.entries()) {
    tell(n + 1);
    const { downloadUrl, filename } = await fileOf(id);
    const count = (counts.get(filename) ?? 0) + 1;
    counts.set(filename, count);
    yield { name: count > 1 ? numbered(filename, count) : filename, input: await fetched(downloadUrl) };
  }
}

/** @param {string} filename @param {number} n */
const numbered = (filename, n) => filename.replace(/(\.[^.]+)$/, ` (${n})$1`);

/** @param {string} url */
async function fetched(url) {
  const answer = await fetch(url).catch(() => null);
  if (!answer?.ok) throw new Problem("unreachable");
  return answer;
}

/** Where the words of a search are in a prompt, spelt as the server's search folds them. */

const ARABIC = /** @type {Record<string, string>} */ ({
  ...{ أ: "ا", إ: "ا", آ: "ا", ٱ: "ا", ة: "ه", ى: "ي", ؤ: "و", ئ: "ي", ـ: "" },
  ...Object.fromEntries([..."٠١٢٣٤٥٦٧٨٩"].map((digit, n) => [digit, String(n)])),
});

/** @param {string} text */
const folded = (text) =>
  [...text.normalize("NFKC").replace(/\p{M}/gu, "").toLowerCase()]
    .map((letter) => ARABIC[letter] ?? letter)
    .join("");

/**
 * The prompt in pieces; those at odd places are what was searched for.
 * @param {string} prompt
 * @param {string} search
 */
export function marked(prompt, search) {
  const wanted = folded(search)
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word && word !== "or")
    .map((word) => word.replace(/^ال(?=..)/, ""));
  if (!wanted.length) return [prompt];
  /** @type {string[]} */
  const pieces = [""];
  for (const [n, piece] of prompt.split(/([\p{L}\p{N}\p{M}]+)/u).entries()) {
    const isHit = n % 2 === 1 && wanted.some((word) => folded(piece).includes(stemOf(word)));
    if (isHit) pieces.push(piece, "");
    else pieces[pieces.length - 1] += piece;
  }
  return pieces;
}

/** The server's search knows inflections; a shared beginning is near enough to mark by. @param {string} word */
const stemOf = (word) => (/^[a-z]{5,}$/.test(word) ? word.replace(/(ing|ed|es|s)$/, "") : word);

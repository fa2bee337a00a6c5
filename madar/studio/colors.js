/** Colours as people write them, and the name that the prompt will say: the nearest to the eye. */
import { createState } from "./state.js";
import { store } from "./store.js";

/** @type {Promise<void> | null} */
let loading = null;
/** @type {{ hex: string, en: string, ar: string, lab: number[] }[]} */
let named = [];
/** Whether names are there; views that say one watch it. */
export const hasNames = createState(false);

/** The server's own table (madar/domain/colors.py), so that both say the same. */
export function loadNames() {
  loading ??= fetch(new URL("./colors.json", import.meta.url))
    .then((answer) => answer.json())
    .then((/** @type {[string, string, string][]} */ table) => {
      named = table.map(([hex, en, ar]) => ({ hex, en, ar, lab: labOf(hex) }));
      hasNames.set(true);
    });
  return loading;
}

/** "#ABC", "abc" or " #aabbcc " is "#aabbcc"; nothing for anything else. @param {string} text */
export function parseHex(text) {
  const digits = /^#?([0-9a-f]{3}|[0-9a-f]{6})$/i.exec(text.replace(/\s/g, ""))?.[1]?.toLowerCase();
  if (!digits) return "";
  return `#${digits.length === 3 ? [...digits].map((digit) => digit + digit).join("") : digits}`;
}

/** @param {string} hex */
export function nameOf(hex) {
  const wanted = labOf(hex);
  let best = null;
  let least = Infinity;
  for (const one of named) {
    const distance = difference(wanted, one.lab);
    if (distance < least) [best, least] = [one, distance];
  }
  return best ? best[store.get().language] : hex;
}

/** sRGB to CIE Lab under D65. @param {string} hex */
function labOf(hex) {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const value = parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  const x = (0.4123908 * r + 0.3575843 * g + 0.1804808 * b) / 0.9504559;
  const y = 0.212639 * r + 0.7151687 * g + 0.0721923 * b;
  const z = (0.0193308 * r + 0.1191948 * g + 0.9505322 * b) / 1.0890578;
  const [fx, fy, fz] = [x, y, z].map((v) =>
    v > 216 / 24389 ? Math.cbrt(v) : (v * 24389) / 27 / 116 + 16 / 116,
  );
  return [116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)];
}

/**
 * CIEDE2000, as G. Sharma, W. Wu and E. Dalal write it down (2005); angles in radians.
 * @param {number[]} one
 * @param {number[]} other
 */
function difference([l1, a1, b1], [l2, a2, b2]) {
  const middle = (Math.hypot(a1, b1) + Math.hypot(a2, b2)) / 2;
  const g = 1.5 - 0.5 * Math.sqrt(middle ** 7 / (middle ** 7 + 25 ** 7));
  const [c1, c2] = [Math.hypot(a1 * g, b1), Math.hypot(a2 * g, b2)];
  const [h1, h2] = [angle(b1, a1 * g), angle(b2, a2 * g)];
  const isGrey = c1 * c2 === 0;
  let turn = isGrey ? 0 : h2 - h1;
  if (turn > Math.PI) turn -= 2 * Math.PI;
  if (turn < -Math.PI) turn += 2 * Math.PI;
  const dh = 2 * Math.sqrt(c1 * c2) * Math.sin(turn / 2);
  const [l, c] = [(l1 + l2) / 2, (c1 + c2) / 2];
  let h = h1 + h2;
  if (!isGrey) h = (Math.abs(h1 - h2) > Math.PI ? h + (h < 2 * Math.PI ? 2 : -2) * Math.PI : h) / 2;
  const t =
    1 -
    0.17 * Math.cos(h - rad(30)) +
    0.24 * Math.cos(2 * h) +
    0.32 * Math.cos(3 * h + rad(6)) -
    0.2 * Math.cos(4 * h - rad(63));
  const sl = 1 + (0.015 * (l - 50) ** 2) / Math.sqrt(20 + (l - 50) ** 2);
  const [sc, sh] = [1 + 0.045 * c, 1 + 0.015 * c * t];
  const rc = 2 * Math.sqrt(c ** 7 / (c ** 7 + 25 ** 7));
  const rt = -rc * Math.sin(2 * rad(30) * Math.exp(-(((h - rad(275)) / rad(25)) ** 2)));
  const [dl, dc, dhs] = [(l2 - l1) / sl, (c2 - c1) / sc, dh / sh];
  return Math.sqrt(dl * dl + dc * dc + dhs * dhs + rt * dc * dhs);
}

/** @param {number} degrees */
const rad = (degrees) => (degrees * Math.PI) / 180;

/** @param {number} y @param {number} x */
function angle(y, x) {
  const found = Math.atan2(y, x);
  return found < 0 ? found + 2 * Math.PI : found;
}

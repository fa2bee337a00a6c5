/** Line icons of one weight; they carry no words of their own. */
import { html } from "./html.js";

const PATHS = {
  heart: "M10 16.5s-6-3.6-6-8A3.3 3.3 0 0 1 10 6.4a3.3 3.3 0 0 1 6 2.1c0 4.4-6 8-6 8Z",
  download: "M10 3.5v9m0 0 3.5-3.5M10 12.5 6.5 9M4 16.5h12",
  again: "M15.8 8.5A6 6 0 1 0 16 11m0-7v4.5h-4.5",
  source:
    "M3.5 5A1.5 1.5 0 0 1 5 3.5h10A1.5 1.5 0 0 1 16.5 5v10a1.5 1.5 0 0 1-1.5 1.5H5A1.5 1.5 0 0 1 3.5 15ZM3.8 14l3.7-4 3 3 2-2 3.7 3.5M12.5 7.5h.1",
  link: "M8.5 11.5a3 3 0 0 0 4.2 0l2.6-2.6a3 3 0 0 0-4.2-4.2l-.9.9m1.3 2.9a3 3 0 0 0-4.2 0l-2.6 2.6a3 3 0 0 0 4.2 4.2l.9-.9",
  trash: "M4 5.5h12m-7.5-2h3m-6 2 .7 11h7.6l.7-11m-5.5 3v5",
  close: "m5 5 10 10M15 5 5 15",
  down: "m5 7.5 5 5 5-5",
  next: "m8 4.5 5.5 5.5L8 15.5",
  previous: "M12 4.5 6.5 10l5.5 5.5",
  check: "m4.5 10.5 3.5 3.5 7.5-8",
  plus: "M10 4.5v11M4.5 10h11",
  sun: "M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7ZM10 2v1.5m0 13V18m8-8h-1.5M3.5 10H2m13.7-5.7-1.1 1.1M5.4 14.6l-1.1 1.1m11.4 0-1.1-1.1M5.4 5.4 4.3 4.3",
  moon: "M16 12.2A6.5 6.5 0 0 1 7.8 4a6.5 6.5 0 1 0 8.2 8.2Z",
  info: "M10 2.5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15Zm0 6.5v4.5M10 6.5h.1",
  board: "M3.5 3.5h13v13h-13Zm0 6.5h13M10 3.5v13",
  camera: "M3.5 6.5h3L8 4.5h4l1.5 2h3v9.5h-13Zm6.5 2a2.7 2.7 0 1 0 0 5.4 2.7 2.7 0 0 0 0-5.4Z",
  search: "M9 3.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11Zm4 9.5 3.5 3.5",
};

/** @param {{ name: keyof PATHS, mirrors?: boolean, filled?: boolean }} what */
export const Icon = ({ name, mirrors = false, filled = false }) => html`
  <svg class=${mirrors ? "icon mirrors" : "icon"} viewBox="0 0 20 20" aria-hidden="true"
    fill=${filled ? "currentColor" : "none"}><path d=${PATHS[name]} /></svg>
`;

/**
 * A button that is an icon; its words are its name and its hint. `kind` is one more class.
 * @param {{ name: keyof typeof PATHS, words: string, kind?: string, mirrors?: boolean, filled?: boolean,
 *   [attribute: string]: any }} what
 */
export const IconButton = ({ name, words, kind = "", mirrors, filled, ...rest }) => html`
  <button type="button" class=${`icon-button ${kind}`} aria-label=${words} title=${words} ...${rest}>
    <${Icon} name=${name} mirrors=${mirrors} filled=${filled} /></button>
`;

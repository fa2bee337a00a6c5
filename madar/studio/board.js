/** What pictures lie on: a checkerboard, white, black, or a colour of one's own. */
import { html } from "./html.js";
import { t } from "./i18n.js";
import { IconButton } from "./icons.js";
import { keep, recall } from "./kept.js";
import { createState, useValue } from "./state.js";

const BOARDS = ["checker", "white", "black", "own"];
const OWN = "#ffd7a8";

/** @type {import("./state.js").Observable<{ kind: string, color: string }>} */
export const board = createState({ kind: "checker", color: OWN });

export function restoreBoard() {
  setBoard(recall("board", board.get()));
}

export function cycleBoard() {
  const kind = BOARDS[(BOARDS.indexOf(board.get().kind) + 1) % BOARDS.length] ?? "checker";
  setBoard({ ...board.get(), kind });
}

/** @param {{ kind: string, color: string }} value */
function setBoard(value) {
  board.set(value);
  keep("board", value);
  document.documentElement.dataset.board = value.kind;
  document.documentElement.style.setProperty("--own", value.color);
}

export function BoardControl() {
  const { kind, color } = useValue(board);
  const words = t("picture.board", { board: t(`picture.board.${kind}`) });
  return html`<span class="row tight">
    <${IconButton} name="board" words=${words} onClick=${cycleBoard} aria-keyshortcuts="B" />
    ${
      kind === "own" &&
      html`<input class="dot" type="color" value=${color} aria-label=${t("picture.board.pick")}
      onInput=${(/** @type {any} */ event) => setBoard({ kind, color: event.currentTarget.value })} />`
    }
  </span>`;
}

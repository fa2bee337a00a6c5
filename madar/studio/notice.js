/** What is said about an act that failed and has no place of its own. */
import { Problem } from "./api.js";
import { t } from "./i18n.js";
import { createState } from "./state.js";

/** @type {import("./state.js").Observable<string>} */
export const notice = createState("");

/**
 * Runs it and says so when it fails; a session that has ended is told elsewhere.
 * @param {() => Promise<unknown>} act
 */
export async function attempt(act) {
  notice.set("");
  try {
    await act();
    return true;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status !== 401) notice.set(sentenceOf(error));
    return false;
  }
}

/** @param {unknown} error */
export function sentenceOf(error) {
  if (!(error instanceof Problem) || error.code === "unreachable") return t("error.unreachable");
  return error.faults[0]?.detail || error.detail || t("error.unreachable");
}

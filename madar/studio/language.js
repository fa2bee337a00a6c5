/** Changing the language: at once, in place, and for everything that Madar says to this person. */
import { call } from "./api.js";
import { fitStyle } from "./draft.js";
import { load } from "./i18n.js";
import { attempt } from "./notice.js";
import { store } from "./store.js";

/** @param {import("./types.js").Language} language */
export async function chooseLanguage(language) {
  await load(language);
  if (store.get().session !== "open") return;
  // The profile's choice reaches sentences of problems, sockets and the next visit.
  await attempt(() => call("PATCH", "/api/user/profile", { body: { language } }));
  await attempt(readStyles);
}

export async function readStyles() {
  store.set({ styles: (await call("GET", "/api/styles")).styles });
  fitStyle();
}

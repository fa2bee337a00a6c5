/** The source picture: looked at here before it is sent, and sent once. */
import { call, newKey } from "./api.js";
import { setDraft } from "./draft.js";
import { size } from "./formats.js";
import { t } from "./i18n.js";
import { sentenceOf } from "./notice.js";
import { go } from "./route.js";
import { createState } from "./state.js";

const KINDS = ["image/png", "image/jpeg", "image/webp"];
const HEIC = /\.(heic|heif)$/i;
const MAX_BYTES = 10 * 1024 * 1024;
const PREVIEW_PX = 160;

/**
 * What is under way: `name` while a picture is sent, `fault` a sentence about the last one.
 * @type {import("./state.js").Observable<{ name: string, preview: string, fault: string }>}
 */
export const sourceState = createState({ name: "", preview: "", fault: "" });
/** @type {AbortController | null} */
let way = null;

/** @param {File} file */
export async function setSource(file) {
  way?.abort();
  const fault = faultOf(file);
  setDraft({ source: null });
  if (fault) return sourceState.set({ name: "", preview: "", fault });
  way = new AbortController();
  const { signal } = way;
  const preview = await shrunk(file);
  if (signal.aborted) return;
  sourceState.set({ name: file.name, preview, fault: "" });
  try {
    const kept = await call("POST", "/api/uploads/image", { form: { image: file }, key: newKey(), signal });
    setDraft({ source: { uploadId: kept.id, name: file.name, preview } });
    sourceState.set({ name: "", preview: "", fault: "" });
  } catch (error) {
    if (signal.aborted) return;
    sourceState.set({ name: "", preview: "", fault: sentenceOf(error) });
  }
}

export function removeSource() {
  way?.abort();
  sourceState.set({ name: "", preview: "", fault: "" });
  setDraft({ source: null });
}

/**
 * A picture made here becomes the source of the next.
 * @param {import("./types.js").Generation} doc
 */
export async function useAsSource(doc) {
  go({ screen: "create", filters: {}, picture: "" });
  try {
    const answer = await fetch(doc.result?.imageUrl ?? "");
    const blob = await answer.blob();
    await setSource(new File([blob], "madar.webp", { type: "image/webp" }));
  } catch {
    sourceState.set({ name: "", preview: "", fault: t("create.source.unreachable") });
  }
}

/** @param {DataTransfer | null} given */
export const imageIn = (given) =>
  [...(given?.files ?? [])].find((file) => isPicture(file)) ?? given?.files[0];

/** @param {File} file */
const isPicture = (file) => file.type.startsWith("image/") || HEIC.test(file.name);

/** @param {File} file */
function faultOf(file) {
  if (HEIC.test(file.name) || /hei[cf]/.test(file.type)) return t("create.source.heic");
  if (!KINDS.includes(file.type)) return t("create.source.kind");
  return file.size > MAX_BYTES ? t("create.source.large", { size: size(file.size) }) : "";
}

/** A copy small enough to be kept with the draft. @param {File} file */
async function shrunk(file) {
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, PREVIEW_PX / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(picture.width * scale));
    canvas.height = Math.max(1, Math.round(picture.height * scale));
    canvas.getContext("2d")?.drawImage(picture, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/webp", 0.8);
  } catch {
    return ""; // the server will say what is wrong with it
  }
}

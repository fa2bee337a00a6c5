/** Who is signed in, and the way in and out: the same redirect that Google's takes. */
import { Problem, call } from "./api.js";
import { forgetAll } from "./kept.js";
import { hrefOf } from "./route.js";
import { store } from "./store.js";

/** @returns {Promise<boolean>} whether somebody is signed in */
export async function recognise() {
  // Where the server has seen no session, asking would only be refused.
  if (document.documentElement.dataset.session === "none") {
    store.set({ session: "none" });
    return false;
  }
  try {
    store.set({ user: await call("GET", "/api/auth/user"), session: "open" });
    return true;
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 401) throw error;
    store.set({ user: null, session: "none" });
    return false;
  }
}

/** Somebody may have signed in again in another tab. @returns {Promise<boolean>} */
export async function recogniseAgain() {
  const before = store.get().user?.id;
  const user = await call("GET", "/api/auth/user").catch(() => null);
  if (!user) return false;
  if (user.id !== before) location.reload();
  store.set({ user, session: "open" });
  return true;
}

/**
 * Leaves the page; it comes back to where it was.
 * @param {{ email?: string, name?: string }} [person] whom the local stand-in for Google signs in at once
 */
export async function signIn(person = {}) {
  const back = hrefOf({}).slice(0, 500);
  const { url } = await call("GET", `/api/auth/google/url?returnTo=${encodeURIComponent(back)}`);
  const there = new URL(url);
  if (person.email) there.searchParams.set("login_hint", person.email);
  if (person.name) there.searchParams.set("name", person.name);
  location.assign(there);
}

export async function signOut() {
  await call("POST", "/api/auth/logout");
  leave();
}

export async function signOutEverywhere() {
  await call("DELETE", "/api/auth/sessions");
  leave();
}

export async function deleteAccount() {
  await call("DELETE", "/api/user");
  forgetAll();
  leave();
}

/** Another person may be the next: nothing of this one stays on the page. */
function leave() {
  location.assign("/studio");
}

/** The sign-in: one card, and the same redirect whoever stands behind it. */
import { html, useState } from "./html.js";
import { has, t } from "./i18n.js";
import { attempt } from "./notice.js";
import { Samples } from "./picture.js";
import { signIn } from "./session.js";
import { useStore } from "./store.js";

// The local stand-in for Google knows these by sight (madar/simulator/people.py).
const PEOPLE = ["Amal", "Badr", "Dana"];

export function SignIn() {
  const [isGoing, setGoing] = useState(false);
  const refused = useStore((state) => state.refused);
  const isLocal = document.documentElement.dataset.issuer === "local";
  const go = async (/** @type {{ email?: string, name?: string }} */ person) => {
    setGoing(true);
    if (!(await attempt(() => signIn(person)))) setGoing(false);
  };
  return html`<main id="content" class="sign-in" data-state=${isGoing ? "going" : "signed-out"}>
    <div class="card padded">
      <${Samples} />
      <h1>${t("title")}</h1>
      <p class="muted">${t("signin.lead")}</p>
      ${refused && html`<p class="bad" role="alert">${wordsOf(refused)}</p>`}
      ${
        isLocal
          ? html`<${Local} go=${go} isGoing=${isGoing} />`
          : html`<button class="primary wide" disabled=${isGoing} onClick=${() => go({})}>
        ${t("signin.google")}</button>`
      }
      ${isGoing && html`<p class="muted" role="status">${t("signin.going")}</p>`}
    </div>
  </main>`;
}

/** @param {{ go: (person: { email?: string, name?: string }) => void, isGoing: boolean }} how */
function Local({ go, isGoing }) {
  const submit = (/** @type {any} */ event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    go({ email: String(form.get("email")), name: String(form.get("name")) });
  };
  return html`<h2 class="small-heading">${t("signin.local")}</h2>
    <ul class="people" aria-label=${t("signin.people")}>
      ${PEOPLE.map(
        (name) => html`<li key=${name}><button class="wide person" disabled=${isGoing}
          onClick=${() => go({ email: `${name.toLowerCase()}@madar.test` })}>
          <span class="avatar" aria-hidden="true">${t(`signin.${name}`)[0]}</span>
          <span>${t(`signin.${name}`)}</span>
          ${name === "Dana" && html`<span class="muted small">${t("signin.admin")}</span>`}
        </button></li>`,
      )}
    </ul>
    <form onSubmit=${submit}>
      <h2 class="small-heading">${t("signin.else")}</h2>
      <label class="field">${t("signin.name")}
        <input name="name" autocomplete="name" dir="auto" required maxlength="100" /></label>
      <label class="field">${t("signin.email")}
        <input name="email" type="email" autocomplete="email" dir="ltr" required /></label>
      <button class="wide" disabled=${isGoing}>${t("signin.continue")}</button>
    </form>`;
}

/** @param {string} code */
const wordsOf = (code) => t(has(`signin.${code}`) ? `signin.${code}` : "signin.refused");

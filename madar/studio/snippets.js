/** A noted call as something to paste: curl, fetch, or the TypeScript client. */

/** @typedef {import("./types.js").Call} Call */

const ID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/;
const origin = () => location.origin;

/** @param {Call} call */
export function asCurl(call) {
  const lines = [
    `curl -X ${call.method} '${origin()}${call.path}'`,
    '-H "Authorization: Bearer $MADAR_TOKEN"',
  ];
  for (const [name, value] of Object.entries(call.headers)) lines.push(`-H '${name}: ${value}'`);
  if (call.body) lines.push(`-d '${JSON.stringify(call.body).replaceAll("'", "'\\''")}'`);
  for (const [name, value] of Object.entries(call.form ?? {})) lines.push(`-F '${name}=${value}'`);
  return lines.join(" \\\n  ");
}

/** @param {Call} call */
export function asFetch(call) {
  const headers = { ...call.headers, Authorization: "Bearer …" };
  const options = [
    `  method: ${JSON.stringify(call.method)},`,
    `  headers: ${nested(headers)},`,
    ...(call.body ? [`  body: JSON.stringify(${nested(call.body)}),`] : []),
    ...(call.form ? ["  body: form, // a FormData with " + Object.keys(call.form).join(", ")] : []),
  ];
  const url = JSON.stringify(origin() + call.path);
  return [
    `const answer = await fetch(${url}, {`,
    ...options,
    "});",
    "const body = await answer.json();",
  ].join("\n");
}

/** With `@madar/client` (clients/typescript). @param {Call} call */
export function asTypeScript(call) {
  const [name, wish] = wishOf(call);
  const given = [JSON.stringify(name), ...(Object.keys(wish).length ? [indented(wish)] : [])];
  return [
    'import { MadarClient } from "@madar/client";',
    "",
    `const madar = new MadarClient({ baseUrl: ${JSON.stringify(origin())}, token: process.env.MADAR_TOKEN });`,
    `const answer = await madar.request(${given.join(", ")});`,
  ].join("\n");
}

/** The operation's name, and what it takes. @param {Call} call @returns {[string, Record<string, unknown>]} */
function wishOf({ method, path, body, headers }) {
  const { pathname, searchParams } = new URL(path, origin());
  const id = ID.exec(pathname)?.[0];
  const wish = {
    ...(id ? { path: { id } } : {}),
    ...(searchParams.size ? { query: Object.fromEntries(searchParams) } : {}),
    ...(body ? { body } : {}),
    ...(headers["Idempotency-Key"] ? { idempotencyKey: headers["Idempotency-Key"] } : {}),
  };
  return [`${method} ${pathname.replace(ID, "{id}")}`, wish];
}

/** @param {unknown} value */
const indented = (value) => JSON.stringify(value, null, 2);
/** @param {unknown} value */
const nested = (value) => indented(value).replaceAll("\n", "\n  ");

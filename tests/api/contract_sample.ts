// What a frontend writes; tests/api/test_contract_types.py has the TypeScript compiler read it.
import type { components, paths } from "../../docs/contract/api";

type Create = paths["/api/generations"]["post"];
type CreateBody = Create["requestBody"]["content"]["application/json"];
type Created = Create["responses"][201]["content"]["application/json"];
type Refused = Create["responses"][422]["content"]["application/problem+json"];

export const wish: CreateBody = { style: "voxel-3d", textPrompt: "صاروخ أحمر" };

// @ts-expect-error: there is no such ratio
export const wrong: CreateBody = { style: "voxel-3d", aspectRatio: "2:1" };

export async function create(body: CreateBody): Promise<Created> {
  const answer = await fetch("/api/generations", { method: "POST", body: JSON.stringify(body) });
  if (answer.status === 422) {
    const refused: Refused = await answer.json();
    throw new Error(refused.code === "prompt_empty" ? "say something" : refused.detail);
  }
  return answer.json();
}

export function pictureOf(generation: components["schemas"]["GenerationOut"]): string | undefined {
  return generation.result?.imageUrl;
}

export const page: paths["/api/generations"]["get"]["parameters"]["query"] = {
  limit: 50,
  sort: "most-liked",
  liked: true,
};

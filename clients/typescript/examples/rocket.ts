import { MadarClient, MadarProblem } from "@madar/client";

const madar = new MadarClient({
  baseUrl: process.env.MADAR_URL ?? "http://localhost:8000",
  token: process.env.MADAR_TOKEN, // a page leaves it out: its cookie says who asks
  language: "ar",
});

const live = madar.live();
try {
  const { id } = await madar.createGeneration({ style: "voxel-3d", textPrompt: "صاروخ أحمر" });
  live.follow(id, (now) => {
    if (now.deleted) return live.close();
    console.log(`${now.status} ${now.progress} %`, now.result?.imageUrl ?? now.error ?? "");
    if (now.status === "completed" || now.status === "failed") live.close();
  });
} catch (problem) {
  live.close();
  if (!(problem instanceof MadarProblem)) throw problem;
  console.error(problem.code, problem.detail, problem.retryAfterS);
}

/** Light or dark: the system's, until somebody chooses; the server knows it before the page is drawn. */
import { store } from "./store.js";

const LIFE_S = 365 * 24 * 3600;

export function restoreTheme() {
  const theme = document.documentElement.dataset.theme;
  store.set({ theme: theme === "light" || theme === "dark" ? theme : "" });
}

export const isDark = () =>
  store.get().theme === "dark" ||
  (store.get().theme === "" && matchMedia("(prefers-color-scheme: dark)").matches);

export function toggleTheme() {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  document.cookie = `madar-theme=${theme}; Path=/; Max-Age=${LIFE_S}; SameSite=Lax`;
  store.set({ theme });
}

/** A value of one module that views may watch. */
import { useEffect, useState } from "preact/hooks";

/**
 * @template T
 * @typedef {{ get: () => T, set: (value: T) => void, subscribe: (l: () => void) => () => void }} Observable
 */

/**
 * @template T
 * @param {T} value
 * @returns {Observable<T>}
 */
export function createState(value) {
  /** @type {Set<() => void>} */
  const listeners = new Set();
  return {
    get: () => value,
    set(next) {
      value = next;
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/**
 * @template T
 * @param {Observable<T>} observable
 * @returns {T}
 */
export function useValue(observable) {
  const [value, set] = useState(() => ({ now: observable.get() }));
  useEffect(() => {
    set({ now: observable.get() });
    return observable.subscribe(() => set({ now: observable.get() }));
  }, [observable]);
  return value.now;
}

/** The time, again every `ms`, while `isRunning`. @param {boolean} isRunning @param {number} [ms] */
export function useNow(isRunning, ms = 1000) {
  const [now, set] = useState(Date.now);
  useEffect(() => {
    if (!isRunning) return;
    set(Date.now());
    const ticking = setInterval(() => set(Date.now()), ms);
    return () => clearInterval(ticking);
  }, [isRunning, ms]);
  return isRunning ? Math.max(now, Date.now() - ms) : now;
}

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

/** The time; the component is drawn anew each second until then. @param {number} until */
export function useNow(until) {
  const [, tick] = useState(0);
  const isRunning = until > Date.now();
  useEffect(() => {
    if (!isRunning) return;
    const ticking = setInterval(() => tick(Date.now()), 1000);
    return () => clearInterval(ticking);
  }, [isRunning]);
  return Date.now();
}

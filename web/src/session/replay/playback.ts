// Where a playback stands: a pure function of what was pressed and of the time that passes.

export interface Playback {
  index: number;
  playing: boolean;
}

export type Press = "next" | "previous" | "first" | "last" | "toggle" | "tick" | { to: number };

export function press(at: Playback, what: Press, count: number): Playback {
  const last = Math.max(0, count - 1);
  const go = (index: number): Playback => ({ index: Math.min(last, Math.max(0, index)), playing: false });
  if (typeof what === "object") return go(what.to);
  switch (what) {
    case "next":
      return go(at.index + 1);
    case "previous":
      return go(at.index - 1);
    case "first":
      return go(0);
    case "last":
      return go(last);
    case "toggle":
      // At the end, playing begins anew.
      return at.playing
        ? { ...at, playing: false }
        : { index: at.index >= last ? 0 : at.index, playing: count > 1 };
    case "tick": {
      const index = Math.min(last, at.index + 1);
      return { index, playing: at.playing && index < last };
    }
  }
}

const KEYS = new Map<string, Press>([
  ["ArrowLeft", "previous"],
  ["ArrowRight", "next"],
  ["Home", "first"],
  ["End", "last"],
  [" ", "toggle"],
]);

// What a key means; a control that has the focus keeps the keys that it understands itself.
export function pressOf(key: string, focused: string): Press | undefined {
  const own = key === " " ? ["BUTTON", "A", "SELECT", "SUMMARY"] : ["INPUT", "SELECT"];
  return own.includes(focused) ? undefined : KEYS.get(key);
}

// Keeps what was typed across a reload, until the record has it.
import type { Outgoing } from "./state";

const PREFIX = "cloudbot.outbox.";
// What nobody sent within a week nobody means to send.
const KEPT_MS = 7 * 24 * 3_600_000;

export function keep(session: string, item: Outgoing, storage: Storage = localStorage): void {
  const others = load(session, storage).filter((known) => known.clientId !== item.clientId);
  write(session, [...others, item], storage);
}

export function drop(session: string, clientId: string, storage: Storage = localStorage): void {
  write(
    session,
    load(session, storage).filter((item) => item.clientId !== clientId),
    storage,
  );
}

export function load(session: string, storage: Storage = localStorage, now = Date.now()): Outgoing[] {
  try {
    const stored: unknown = JSON.parse(storage.getItem(PREFIX + session) ?? "[]");
    if (!Array.isArray(stored)) return [];
    return stored.filter(isOutgoing).filter((item) => now - item.typedAt < KEPT_MS);
  } catch {
    return [];
  }
}

// The next person at this browser must not find what the last one typed.
export function forgetAll(storage: Storage = localStorage): void {
  for (const key of Object.keys(storage)) {
    if (key.startsWith("cloudbot.")) storage.removeItem(key);
  }
}

function write(session: string, items: Outgoing[], storage: Storage): void {
  try {
    if (items.length === 0) storage.removeItem(PREFIX + session);
    else storage.setItem(PREFIX + session, JSON.stringify(items));
  } catch {
    // A full or forbidden storage costs the survival of a reload, not the message.
  }
}

function isOutgoing(value: unknown): value is Outgoing {
  const item = value as Outgoing | null;
  return (
    typeof item === "object" &&
    item !== null &&
    typeof item.clientId === "string" &&
    typeof item.text === "string" &&
    typeof item.typedAt === "number" &&
    typeof item.after === "number"
  );
}

import { beforeEach, expect, test } from "vitest";
import { drop, forgetAll, keep, load } from "./outbox";

const item = (clientId: string, typedAt = Date.now()) => ({ clientId, text: clientId, typedAt, after: 0 });

let storage: Storage;
beforeEach(() => {
  storage = memory();
});

test("what is kept is there after a reload, in order, until it is dropped", () => {
  keep("ses-1", item("a"), storage);
  keep("ses-1", item("b"), storage);
  keep("ses-2", item("c"), storage);
  drop("ses-1", "a", storage);

  expect(load("ses-1", storage).map((kept) => kept.clientId)).toEqual(["b"]);
});

test("what lay for more than a week is not sent any more", () => {
  keep("ses-1", item("a", 1_000), storage);

  expect(load("ses-1", storage, 1_000 + 8 * 24 * 3_600_000)).toEqual([]);
});

test("a damaged entry is no reason to fail", () => {
  storage.setItem("cloudbot.outbox.ses-1", "{nonsense");
  storage.setItem("cloudbot.outbox.ses-2", '[{"clientId":1}, null, "x"]');

  expect([load("ses-1", storage), load("ses-2", storage)]).toEqual([[], []]);
});

test("a storage that refuses does not lose the message", () => {
  storage.setItem = () => {
    throw new Error("full");
  };

  expect(() => keep("ses-1", item("a"), storage)).not.toThrow();
});

test("signing out leaves nothing behind, and touches nothing else", () => {
  keep("ses-1", item("a"), storage);
  storage.setItem("other", "1");

  forgetAll(storage);

  expect([load("ses-1", storage), storage.getItem("other")]).toEqual([[], "1"]);
});

// A Storage keeps its entries as its own keys.
function memory(): Storage {
  const methods = {
    getItem: (key: string) => (Object.hasOwn(store, key) ? (store[key] ?? null) : null),
    setItem: (key: string, value: string) => void (store[key] = value),
    removeItem: (key: string) => void Reflect.deleteProperty(store, key),
  };
  const store: Record<string, string> = Object.create(methods);
  return store as unknown as Storage;
}

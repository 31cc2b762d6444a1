import { beforeEach, expect, test } from "vitest";
import { type Clock, delay, type LinkStatus, Reconnect } from "./reconnect";

let now: number;
let due: { at: number; run: () => void }[];
let connects: number;
let statuses: LinkStatus[];
let clock: Clock;

beforeEach(() => {
  now = 0;
  due = [];
  connects = 0;
  statuses = [];
  clock = {
    now: () => now,
    random: () => 0.5,
    after: (ms, run) => {
      const entry = { at: now + ms, run };
      due.push(entry);
      return () => {
        due = due.filter((other) => other !== entry);
      };
    },
  };
});

const reconnect = (diagnose = () => Promise.resolve("because")) =>
  new Reconnect(
    () => connects++,
    (status) => statuses.push(status),
    diagnose,
    clock,
  );

function pass(ms: number): void {
  now += ms;
  const ripe = due.filter((entry) => entry.at <= now);
  due = due.filter((entry) => entry.at > now);
  ripe.forEach((entry) => entry.run());
}

test("waits grow, and never beyond some seconds", () => {
  expect([1, 2, 3, 4, 20].map((failures) => delay(failures, 0.5))).toEqual([500, 1000, 2000, 4000, 15000]);
  expect(delay(20, 1)).toBeLessThan(20_000);
});

test("a lost connection is tried again, once", () => {
  const link = reconnect();
  link.start();
  link.lost();
  link.lost();

  pass(500);

  expect(connects).toBe(2);
});

test("a connection that dies young counts as one more failure", () => {
  const link = reconnect();
  link.start();
  for (let n = 0; n < 4; n++) {
    link.opened();
    pass(100);
    link.lost();
    pass(15_000);
  }
  link.lost();

  expect(due[0]?.at).toBe(now + 8000);
});

test("a connection that lasted begins anew with short waits", () => {
  const link = reconnect();
  link.start();
  for (let n = 0; n < 4; n++) {
    link.lost();
    pass(15_000);
  }
  link.opened();
  pass(60_000);
  link.lost();

  expect((due[0]?.at ?? 0) - now).toBeLessThanOrEqual(500);
});

test("it says why it waits, also when asking for the reason fails", async () => {
  const told = reconnect();
  told.start();
  told.lost();
  const failed = reconnect(() => Promise.reject(new Error("nothing answers")));
  failed.start();
  failed.lost();
  await Promise.resolve();
  await Promise.resolve();

  const reasons = statuses.flatMap((status) => (status.kind === "waiting" ? [status.reason] : []));
  expect(reasons).toContain("because");
  expect(reasons).toContain("nothing answers");
});

test("the other side's own reason needs no asking", () => {
  const link = reconnect();
  link.start();
  link.lost("The desktop is going away.");

  expect(statuses.at(-1)).toMatchObject({ kind: "waiting", reason: "The desktop is going away." });
});

test("a person who presses does not wait", () => {
  const link = reconnect();
  link.start();
  link.lost();
  link.now();
  link.now();

  expect([connects, due.length]).toEqual([2, 0]);
});

test("once stopped it stays stopped", () => {
  const link = reconnect();
  link.start();
  link.lost();
  link.stop();
  link.lost();
  pass(60_000);

  expect(connects).toBe(1);
});

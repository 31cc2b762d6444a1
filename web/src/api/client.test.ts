import { afterEach, expect, test, vi } from "vitest";
import { call, onSignedOut } from "./client";
import { ApiError, explain } from "./problem";

type Answer = [status: number, body?: unknown];

// Answers by path, in order, and remembers what was asked.
function server(answers: Record<string, Answer[]>) {
  const asked: { path: string; init: RequestInit }[] = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    const path = url.replace("/api/v1", "");
    asked.push({ path, init });
    const [status, body] = answers[path]?.shift() ?? [404, problem(404, "not_found")];
    return new Response(body === undefined ? null : JSON.stringify(body), { status });
  });
  return asked;
}

const problem = (status: number, code: string) => ({ status, code, title: "No", detail: `because ${code}` });
const expired: Answer = [401, problem(401, "token_expired")];

afterEach(() => vi.unstubAllGlobals());

test("an expired session is renewed once, for however many requests", async () => {
  const asked = server({
    "/me": [expired, [200, { id: "u" }]],
    "/keys": [expired, [200, []]],
    "/auth/refresh": [[204]],
  });

  const both = await Promise.all([call("GET", "/me"), call("GET", "/keys")]);

  expect(both).toEqual([{ id: "u" }, []]);
  expect(asked.filter(({ path }) => path === "/auth/refresh")).toHaveLength(1);
});

test("a renewal that is refused signs out, and the request fails with its reason", async () => {
  server({ "/me": [expired], "/auth/refresh": [[401, problem(401, "not_signed_in")]] });
  const signedOut = vi.fn();
  const forget = onSignedOut(signedOut);

  await expect(call("GET", "/me")).rejects.toMatchObject({ code: "not_signed_in" });

  expect(signedOut).toHaveBeenCalledOnce();
  forget();
});

test("a wrong password is no expired session", async () => {
  const asked = server({ "/auth/login": [[401, problem(401, "wrong_credentials")]] });

  await expect(call("POST", "/auth/login", { body: {} })).rejects.toBeInstanceOf(ApiError);

  expect(asked).toHaveLength(1);
});

test("every change carries the header that another site cannot send, and no reading does", async () => {
  const asked = server({ "/keys": [[200, []]], "/desktops": [[201, {}]] });

  await call("GET", "/keys");
  await call("POST", "/desktops", { body: {} });

  const sent = asked.map(({ init }) => (init.headers as Record<string, string>)["x-cloudbot"]);
  expect(sent).toEqual([undefined, "1"]);
});

test("errors are told in the server's words, with the id that the operator needs", async () => {
  server({ "/keys": [[500, { ...problem(500, "internal"), request_id: "r-7" }]] });

  const error = await call("GET", "/keys").catch((e: unknown) => e);

  expect(explain(error)).toBe("because internal (request r-7)");
});

test("an answer that is no problem document still becomes a readable error", async () => {
  vi.stubGlobal("fetch", async () => new Response("<html>", { status: 502 }));

  expect(explain(await call("GET", "/keys").catch((e: unknown) => e))).toMatch(/answered 502/);
});

test("no answer at all is told as such", async () => {
  vi.stubGlobal("fetch", async () => {
    throw new TypeError("Failed to fetch");
  });

  expect(explain(await call("GET", "/keys").catch((e: unknown) => e))).toMatch(/does not answer/);
});

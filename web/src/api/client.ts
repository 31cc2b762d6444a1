// Requests to the API: JSON, cookies, and one refresh of the session when it has expired.
import { type ApiError, offline, problemOf } from "./problem";

export const API = "/api/v1";

interface Options {
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

const signedOutListeners = new Set<() => void>();

// Told when a refresh was refused: nobody is signed in any more.
export function onSignedOut(listener: () => void): () => void {
  signedOutListeners.add(listener);
  return () => signedOutListeners.delete(listener);
}

export async function call<T>(method: string, path: string, options: Options = {}): Promise<T> {
  const response = await fetchSignedIn(method, path, options);
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

// The answer itself, for streams; throws what `call` throws.
export async function fetchSignedIn(method: string, path: string, options: Options = {}): Promise<Response> {
  const first = await send(method, path, options);
  if (first.ok) return first;
  const problem = await problemOf(first);
  if (!mayRefresh(path, problem)) throw problem;

  await refresh();
  const second = await send(method, path, options);
  if (second.ok) return second;
  throw await problemOf(second);
}

let refreshing: Promise<void> | undefined;

// Many requests may find the session expired at once; the refresh token may be used once.
export function refresh(): Promise<void> {
  refreshing ??= refreshNow().finally(() => {
    refreshing = undefined;
  });
  return refreshing;
}

async function refreshNow(): Promise<void> {
  const response = await send("POST", "/auth/refresh", {});
  if (response.ok) return;
  const problem = await problemOf(response);
  if (problem.status === 401) signedOutListeners.forEach((listener) => listener());
  throw problem;
}

// Where one gets a session: none to renew.
const ENTRANCES = ["/auth/login", "/auth/signup", "/auth/refresh"];

function mayRefresh(path: string, problem: ApiError): boolean {
  return problem.status === 401 && problem.code !== "wrong_credentials" && !ENTRANCES.includes(path);
}

async function send(method: string, path: string, { body, headers, signal }: Options): Promise<Response> {
  const all: Record<string, string> = { accept: "application/json", ...headers };
  if (method !== "GET") all["x-cloudbot"] = "1";
  if (body !== undefined) all["content-type"] = "application/json";
  const init: RequestInit = { method, headers: all, credentials: "same-origin" };
  if (body !== undefined) init.body = JSON.stringify(body);
  if (signal) init.signal = signal;
  try {
    return await fetch(API + path, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw offline();
  }
}

// What can go wrong with a request, as one type: a problem document, or none at all when nothing answered.
import type { Problem } from "./types";

export class ApiError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail || problem.title);
    this.name = "ApiError";
    this.problem = problem;
  }

  get status(): number {
    return this.problem.status;
  }

  get code(): string {
    return this.problem.code;
  }
}

export function offline(): ApiError {
  return new ApiError({
    status: 0,
    code: "offline",
    title: "CloudBot does not answer",
    detail: "CloudBot does not answer. Check your connection, then try again.",
  });
}

// Anything in front of CloudBot may answer with something that is no problem document.
export async function problemOf(response: Response): Promise<ApiError> {
  try {
    const body: unknown = await response.json();
    if (isProblem(body)) return new ApiError({ ...body, status: response.status });
  } catch {
    // Not JSON: the status is all there is.
  }
  return new ApiError({
    status: response.status,
    code: "unknown",
    title: "Something went wrong",
    detail: `CloudBot answered ${response.status} without saying why. Try again in a moment.`,
  });
}

export function isProblem(value: unknown): value is Problem {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof (value as Problem).code === "string" &&
    typeof (value as Problem).detail === "string"
  );
}

// For people: what happened and what to do; the operator finds a 5xx by its id.
export function explain(error: unknown): string {
  if (error instanceof ApiError) {
    const { detail, title, request_id } = error.problem;
    const text = detail || title;
    return request_id ? `${text} (request ${request_id})` : text;
  }
  return error instanceof Error ? error.message : "Something went wrong. Try again.";
}

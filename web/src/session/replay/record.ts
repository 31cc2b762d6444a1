// The whole record of a session, page by page.
import { useQuery } from "@tanstack/react-query";
import { call } from "../../api/client";
import type { Event, Page } from "../../api/types";

const PAGE = 500;

export function useRecord(sessionId: string) {
  return useQuery({
    queryKey: ["record", sessionId],
    queryFn: ({ signal }) => wholeRecord(sessionId, signal),
    refetchOnWindowFocus: false,
  });
}

async function wholeRecord(sessionId: string, signal: AbortSignal): Promise<Event[]> {
  const events: Event[] = [];
  for (let after: string | undefined = "0"; after !== undefined;) {
    const path: string = `/sessions/${sessionId}/messages?after=${after}&limit=${PAGE}`;
    const page: Page<Event> = await call("GET", path, { signal });
    events.push(...page.items);
    // A page without events has none behind it, whatever it says.
    after = page.items.length > 0 ? (page.next ?? undefined) : undefined;
  }
  return events;
}

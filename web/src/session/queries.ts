// The conversations of a desktop.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { call } from "../api/client";
import type { Page, Session } from "../api/types";

const key = (desktopId: string) => ["sessions", desktopId];

// Newest first, without the archived.
export function useSessions(desktopId: string) {
  return useQuery({
    queryKey: key(desktopId),
    queryFn: async ({ signal }) => {
      const page = await call<Page<Session>>("GET", `/sessions?desktop_id=${desktopId}`, { signal });
      return page.items
        .filter((session) => session.desktop_id === desktopId && !session.archived)
        .sort((a, b) => b.created_at - a.created_at);
    },
  });
}

export function useCreateSession(desktopId: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => call<Session>("POST", "/sessions", { body: { desktop_id: desktopId } }),
    onSuccess: (session) =>
      queries.setQueryData<Session[]>(key(desktopId), (known) => [session, ...(known ?? [])]),
  });
}

// A session takes its title from its first message, which only control knows.
export function useRefreshSessions(desktopId: string) {
  const queries = useQueryClient();
  return () => queries.invalidateQueries({ queryKey: key(desktopId) });
}

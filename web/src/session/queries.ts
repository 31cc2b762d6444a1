// The conversations of a desktop: found, begun, renamed, put away, deleted.
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { API, call } from "../api/client";
import type { ModelChoice, Page, Session, SessionSettings } from "../api/types";

const key = (desktopId: string) => ["sessions", desktopId, "newest"];
const oneKey = (id: string) => ["session", id];

// Newest first, without the archived: those that one changes between.
export function useSessions(desktopId: string) {
  return useQuery({
    queryKey: key(desktopId),
    queryFn: async ({ signal }) => {
      const path = `/sessions?desktop_id=${desktopId}&archived=false`;
      const page = await call<Page<Session>>("GET", path, { signal });
      return page.items;
    },
  });
}

export interface Wanted {
  search: string;
  archived: boolean;
}

export function useFoundSessions(desktopId: string, { search, archived }: Wanted) {
  return useInfiniteQuery({
    queryKey: ["sessions", desktopId, "found", search, archived],
    queryFn: ({ pageParam, signal }) => {
      const query = new URLSearchParams({ desktop_id: desktopId, archived: String(archived) });
      if (search) query.set("search", search);
      if (pageParam) query.set("cursor", pageParam);
      return call<Page<Session>>("GET", `/sessions?${query}`, { signal });
    },
    initialPageParam: "",
    getNextPageParam: (page) => page.next ?? undefined,
    // What was found last stays in sight while something else is looked for.
    placeholderData: (before) => before,
  });
}

// One session, wherever it stands in the list; not asked for without an id.
export function useSession(id: string | undefined) {
  return useQuery({
    queryKey: oneKey(id ?? ""),
    queryFn: ({ signal }) => call<Session>("GET", `/sessions/${id}`, { signal }),
    enabled: id !== undefined,
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

export type Change = { title: string } | { archived: boolean } | { settings: SessionSettings };

export function useChangeSession({ id, desktop_id }: Session) {
  const queries = useQueryClient();
  const refresh = useRefreshSessions(desktop_id);
  return useMutation({
    mutationFn: (change: Change) => call<Session>("PATCH", `/sessions/${id}`, { body: change }),
    onSuccess: (session) => {
      queries.setQueryData(oneKey(id), session);
      queries.setQueryData<Session[]>(key(desktop_id), (known) =>
        known?.map((other) => (other.id === id ? session : other)),
      );
      return refresh();
    },
  });
}

export function useDeleteSession({ id, desktop_id }: Session) {
  const queries = useQueryClient();
  const refresh = useRefreshSessions(desktop_id);
  return useMutation({
    mutationFn: () => call("DELETE", `/sessions/${id}`),
    onSuccess: () => {
      queries.removeQueries({ queryKey: oneKey(id) });
      queries.setQueryData<Session[]>(key(desktop_id), (known) => known?.filter((other) => other.id !== id));
      return refresh();
    },
  });
}

// A session takes its title from its first message, which only control knows.
export function useRefreshSessions(desktopId: string) {
  const queries = useQueryClient();
  return () => queries.invalidateQueries({ queryKey: ["sessions", desktopId] });
}

export function useModels() {
  return useQuery({
    queryKey: ["models"],
    queryFn: ({ signal }) => call<ModelChoice[]>("GET", "/models", { signal }),
    staleTime: 5 * 60_000,
  });
}

export function exportOf(id: string): string {
  return `${API}/sessions/${id}/export?pictures=true`;
}

export function replayOf(id: string): string {
  return `/sessions/${id}/replay`;
}

export function titleOf(session: Pick<Session, "title">): string {
  return session.title || "Untitled session";
}

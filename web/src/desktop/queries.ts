// A person's desktops: the list, kept true by the server's own stream, and what can be done with one.
import { type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { call } from "../api/client";
import { followWhileSeen } from "../api/follow";
import type { Desktop } from "../api/types";

const LIST = ["desktops"];

export function useDesktops() {
  return useQuery({
    queryKey: LIST,
    queryFn: ({ signal }) => call<Desktop[]>("GET", "/desktops", { signal }),
  });
}

// Follows every desktop of the person.
export function useDesktopEvents() {
  const queries = useQueryClient();
  useEffect(
    () =>
      followWhileSeen({
        path: () => "/desktops/events",
        onData: (data) => {
          store(queries, JSON.parse(data) as Desktop);
          // A list that was asked for before this may be older, and would take its place: ask again.
          if (queries.isFetching({ queryKey: LIST }) > 0) void queries.invalidateQueries({ queryKey: LIST });
        },
        onStatus: (status) => {
          // What happened while nobody listened is in the list.
          if (status.kind === "open") void queries.invalidateQueries({ queryKey: LIST });
        },
      }),
    [queries],
  );
}

export function useDesktop(id: string) {
  const list = useDesktops();
  return { ...list, data: list.data?.find((desktop) => desktop.id === id) };
}

export function useCreateDesktop() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ name, key }: { name: string; key: string }) =>
      call<Desktop>("POST", "/desktops", {
        body: name ? { name } : {},
        headers: { "idempotency-key": key },
      }),
    onSuccess: async (desktop) => {
      // A list that was asked for before this desktop existed must not take it away again.
      await queries.cancelQueries({ queryKey: LIST });
      store(queries, desktop);
    },
  });
}

export type Verb = "start" | "stop" | "delete";

export function useDesktopVerb(id: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (verb: Verb) =>
      verb === "delete"
        ? call<Desktop | undefined>("DELETE", `/desktops/${id}`)
        : call<Desktop | undefined>("POST", `/desktops/${id}/${verb}`),
    onSuccess: (desktop) => {
      if (desktop?.id) store(queries, desktop);
    },
    onSettled: () => queries.invalidateQueries({ queryKey: LIST }),
  });
}

function store(queries: QueryClient, desktop: Desktop): void {
  if (typeof desktop?.id !== "string") return;
  // One desktop is not the list: while that is not known, it comes by itself.
  queries.setQueryData<Desktop[]>(LIST, (known) => known && withDesktop(known, desktop));
}

export function withDesktop(known: Desktop[], desktop: Desktop): Desktop[] {
  if (desktop.state === "deleted") return known.filter((other) => other.id !== desktop.id);
  const there = known.find((other) => other.id === desktop.id);
  if (!there) return [...known, desktop];
  // Streams and answers overtake each other: the younger state is the true one.
  if (there.generation > desktop.generation || there.state_since > desktop.state_since) return known;
  return known.map((other) => (other === there ? desktop : other));
}

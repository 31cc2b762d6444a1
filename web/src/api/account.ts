// Who is signed in, and how that changes.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { forgetAll } from "../chat/outbox";
import { call } from "./client";
import { ApiError } from "./problem";
import type { User } from "./types";

export interface Credentials {
  email: string;
  password: string;
}

// `null`: nobody is signed in.
export function useMe() {
  return useQuery<User | null>({
    queryKey: ["me"],
    queryFn: async ({ signal }) => {
      try {
        return await call<User>("GET", "/me", { signal });
      } catch (error) {
        if (error instanceof ApiError && error.status === 401) return null;
        throw error;
      }
    },
    staleTime: 5 * 60_000,
  });
}

export function useEnter(how: "login" | "signup") {
  const queries = useQueryClient();
  return useMutation<User, Error, Credentials>({
    mutationFn: async (credentials) => {
      await call("POST", `/auth/${how}`, { body: credentials });
      return call<User>("GET", "/me");
    },
    onSuccess: (user) => queries.setQueryData(["me"], user),
  });
}

export function useSignOut() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async () => {
      try {
        await call("POST", "/auth/logout");
      } catch (error) {
        // A session that has ended already is what was wished for.
        if (!(error instanceof ApiError && error.status === 401)) throw error;
      }
    },
    onSuccess: () => {
      forgetAll();
      queries.clear();
      queries.setQueryData(["me"], null);
    },
  });
}

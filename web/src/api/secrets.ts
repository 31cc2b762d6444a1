// Secrets that the agent types for a person: stored and named, never shown.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { call } from "./client";
import type { Secret } from "./types";

const SECRETS = ["secrets"];

export function useSecrets() {
  return useQuery({
    queryKey: SECRETS,
    queryFn: ({ signal }) => call<Secret[]>("GET", "/secrets", { signal }),
  });
}

export function useStoreSecret() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ name, value }: { name: string; value: string }) =>
      call<Secret>("PUT", `/secrets/${name}`, { body: { value } }),
    // A value is kept nowhere, not even in what the mutation remembers of itself.
    gcTime: 0,
    onSettled: () => queries.invalidateQueries({ queryKey: SECRETS }),
  });
}

export function useDeleteSecret() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (name: string) => call("DELETE", `/secrets/${name}`),
    onSettled: () => queries.invalidateQueries({ queryKey: SECRETS }),
  });
}

// As control takes it: a letter, then letters, digits and underscores.
export function isSecretName(name: string): boolean {
  return /^[A-Z][A-Z0-9_]{0,63}$/.test(name);
}

// What is typed as a name, as near as it can be to one.
export function asSecretName(typed: string): string {
  return typed
    .toUpperCase()
    .replaceAll(/[\s-]/g, "_")
    .replaceAll(/[^A-Z0-9_]/g, "")
    .slice(0, 64);
}

const PLACEHOLDER = "{{secret:";

// How the agent names it where it is to be typed.
export function placeholderOf(name: string): string {
  return `${PLACEHOLDER}${name}}}`;
}

// Does a text stand for a secret, or hold one among other words?
export function holdsSecret(text: string): boolean {
  return text.includes(PLACEHOLDER);
}

// Keys of model providers: stored, masked, checked, never shown.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { call } from "./client";
import type { KeyCheck, ProviderKey } from "./types";

const KEYS = ["keys"];

export function useKeys() {
  return useQuery({
    queryKey: KEYS,
    queryFn: ({ signal }) => call<ProviderKey[]>("GET", "/keys", { signal }),
  });
}

export function useStoreKey(provider: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (key: string) => call("PUT", `/keys/${provider}`, { body: { key } }),
    // A key is kept nowhere, not even in what the mutation remembers of itself.
    gcTime: 0,
    onSettled: () => queries.invalidateQueries({ queryKey: KEYS }),
  });
}

export function useDeleteKey(provider: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => call("DELETE", `/keys/${provider}`),
    onSettled: () => queries.invalidateQueries({ queryKey: KEYS }),
  });
}

export function useCheckKey(provider: string) {
  return useMutation({ mutationFn: () => call<KeyCheck>("POST", `/keys/${provider}/check`) });
}

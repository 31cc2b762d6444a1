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

export function useStoreKey() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (key: string) => call("PUT", "/keys/anthropic", { body: { key } }),
    onSettled: () => queries.invalidateQueries({ queryKey: KEYS }),
  });
}

export function useDeleteKey() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => call("DELETE", "/keys/anthropic"),
    onSettled: () => queries.invalidateQueries({ queryKey: KEYS }),
  });
}

export function useCheckKey() {
  return useMutation({ mutationFn: () => call<KeyCheck>("POST", "/keys/anthropic/check") });
}

// Whose models a session may choose, and which of them cannot answer yet.
import { useQuery } from "@tanstack/react-query";
import { call } from "./client";
import type { ModelProvider, ProviderKey } from "./types";

export function useProviders() {
  return useQuery({
    queryKey: ["providers"],
    queryFn: ({ signal }) => call<ModelProvider[]>("GET", "/providers", { signal }),
    staleTime: 5 * 60_000,
  });
}

const TITLES = new Map([
  ["anthropic", "Anthropic"],
  ["openai", "OpenAI"],
]);

// An operator's own provider goes by the name that the operator gave it.
export function titleOfProvider(name: string): string {
  return TITLES.get(name) ?? name;
}

// Does it answer only who has stored a key, and has none been stored? What is not known yet is not missing.
export function lacksKey(
  provider: string | undefined,
  providers: ModelProvider[] | undefined,
  keys: ProviderKey[] | undefined,
): boolean {
  const known = providers?.find(({ name }) => name === provider);
  return known?.needs_key === true && keys !== undefined && !keys.some((key) => key.provider === provider);
}

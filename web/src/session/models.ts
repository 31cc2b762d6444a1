// The models that a session may choose: by their providers, and which of them it has.
import { titleOfProvider } from "../api/providers";
import type { ModelChoice } from "../api/types";

export interface ModelGroup {
  provider: string;
  title: string;
  models: ModelChoice[];
}

// In the order of the operator's table, each provider once.
export function byProvider(models: ModelChoice[]): ModelGroup[] {
  const groups = new Map<string, ModelGroup>();
  for (const model of models) {
    const { provider } = model;
    const group = groups.get(provider) ?? { provider, title: titleOfProvider(provider), models: [] };
    groups.set(provider, { ...group, models: [...group.models, model] });
  }
  return [...groups.values()];
}

// The model that answers: the default where none is chosen, and where the chosen one is not offered any more.
export function modelOf(
  name: string | null | undefined,
  models: ModelChoice[] | undefined,
): ModelChoice | undefined {
  return models?.find((model) => model.name === name) ?? models?.find((model) => model.default);
}

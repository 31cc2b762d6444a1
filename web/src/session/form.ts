// A session's settings as a form holds them, in words and units of people, and back.
import type { ApprovalPolicy, Budgets, ModelChoice, SessionSettings, ToolRule } from "../api/types";

export interface SettingsForm {
  // Empty: the operator's default.
  model: string;
  systemPrompt: string;
  approvals: ApprovalPolicy;
  tools: Record<string, ToolRule>;
  timeoutMinutes: string;
  // Empty: no bound.
  steps: string;
  minutes: string;
  tokens: string;
  dollars: string;
}

export type Errors = Partial<Record<"timeoutMinutes" | "steps" | "minutes" | "tokens" | "dollars", string>>;

export const LONGEST_PROMPT = 20_000;
const TIMEOUT_S = { least: 10, most: 86_400, usual: 600 };

// What the agent's own tools are called, in words.
export const TOOLS: Record<string, string> = {
  bash: "Run commands",
  str_replace_based_edit_tool: "Read and write files",
  open: "Open addresses and files",
  left_click: "Click",
  type: "Type text",
  key: "Press keys",
};

export function toForm(settings: SessionSettings): SettingsForm {
  const budgets = settings.budgets ?? {};
  return {
    model: settings.model ?? "",
    systemPrompt: settings.system_prompt ?? "",
    approvals: settings.approvals ?? "never",
    tools: { ...settings.tools },
    timeoutMinutes: decimal((settings.approval_timeout_s ?? TIMEOUT_S.usual) / 60),
    steps: whole(budgets.steps),
    minutes: budgets.seconds ? decimal(budgets.seconds / 60) : "",
    tokens: whole(budgets.tokens),
    dollars: budgets.cost_microusd ? decimal(budgets.cost_microusd / 1_000_000) : "",
  };
}

// Without prices no budget of money can be kept, so that none is asked for.
export function hasPrices(form: SettingsForm, models: ModelChoice[] | undefined): boolean {
  const model = models?.find(({ name, default: usual }) => (form.model ? name === form.model : usual));
  return model?.has_prices ?? false;
}

export function fromForm(
  form: SettingsForm,
  priced: boolean,
): { settings: SessionSettings } | { errors: Errors } {
  const errors: Errors = {};
  const timeout = Math.round(Number(form.timeoutMinutes) * 60);
  if (!(timeout >= TIMEOUT_S.least && timeout <= TIMEOUT_S.most)) {
    errors.timeoutMinutes = "Enter 0.2 to 1440 minutes.";
  }
  const count = (field: "steps" | "minutes" | "tokens" | "dollars", unit: number, said: string) => {
    const text = form[field].trim();
    if (text === "") return undefined;
    const value = Math.round(Number(text) * unit);
    if (value >= 1 && Number.isSafeInteger(value) && (unit > 1 || Number.isInteger(Number(text)))) {
      return value;
    }
    errors[field] = said;
    return undefined;
  };
  const steps = count("steps", 1, "Enter a whole number, or nothing.");
  const seconds = count("minutes", 60, "Enter a number of minutes, or nothing.");
  const tokens = count("tokens", 1, "Enter a whole number, or nothing.");
  const cost = priced ? count("dollars", 1_000_000, "Enter an amount in dollars, or nothing.") : undefined;
  if (Object.keys(errors).length > 0) return { errors };

  const budgets: Budgets = {};
  if (steps !== undefined) budgets.steps = steps;
  if (seconds !== undefined) budgets.seconds = seconds;
  if (tokens !== undefined) budgets.tokens = tokens;
  if (cost !== undefined) budgets.cost_microusd = cost;
  const settings: SessionSettings = {
    approvals: form.approvals,
    tools: form.tools,
    approval_timeout_s: timeout,
    budgets,
  };
  if (form.model) settings.model = form.model;
  if (form.systemPrompt.trim()) settings.system_prompt = form.systemPrompt;
  return { settings };
}

// A rule that says what the policy says anyway is none.
export function withRule(
  tools: SettingsForm["tools"],
  tool: string,
  rule: ToolRule | "",
): SettingsForm["tools"] {
  const { [tool]: before, ...others } = tools;
  return rule === "" ? others : { ...others, [tool]: rule };
}

function whole(value: number | null | undefined): string {
  return value ? String(value) : "";
}

// No more digits than it takes to come back to the same whole number of the smaller unit.
function decimal(value: number): string {
  return String(Number(value.toFixed(6)));
}

// What holds for one tool, whatever the policy says.
import { useState } from "react";
import type { ToolRule } from "../api/types";
import { inWords, serversTool } from "../mcp/names";
import { Button } from "../ui/button";
import { Choice } from "../ui/choice";
import { Field } from "../ui/field";
import { type SettingsForm, TOOLS, withRule } from "./form";

interface Props {
  rules: SettingsForm["tools"];
  onChange: (rules: SettingsForm["tools"]) => void;
}

const RULES: { value: ToolRule | ""; name: string }[] = [
  { value: "", name: "As above" },
  { value: "allow", name: "Allow" },
  { value: "ask", name: "Ask" },
  { value: "deny", name: "Deny" },
];

export function ToolRules({ rules, onChange }: Props) {
  // A tool of which the rule was taken away stays in sight until the dialog is closed.
  const [others, setOthers] = useState(() =>
    Object.keys(rules).filter((tool) => !Object.hasOwn(TOOLS, tool)),
  );
  const [name, setName] = useState("");
  const known = [...Object.keys(TOOLS), ...others];
  const add = () => {
    const tool = name.trim();
    if (!tool) return;
    if (!known.includes(tool)) setOthers([...others, tool]);
    if (!rules[tool]) onChange(withRule(rules, tool, "ask"));
    setName("");
  };
  return (
    <fieldset className="min-w-0">
      <legend className="mb-1.5 text-sm font-medium">Rules for single tools</legend>
      <ul role="list" className="divide-y divide-line rounded-xl border border-line">
        {known.map((tool) => (
          <li key={tool} className="flex items-center gap-3 px-3 py-1.5">
            <span className="min-w-0 flex-1 text-sm">
              {wordsOf(tool) && <span className="block truncate">{wordsOf(tool)}</span>}
              <code className="block truncate font-mono text-xs text-faint">{tool}</code>
            </span>
            <Choice
              bare
              label={`Rule for ${tool}`}
              className="w-28 shrink-0"
              value={rules[tool] ?? ""}
              onChange={(event) => onChange(withRule(rules, tool, event.target.value as ToolRule | ""))}
            >
              {RULES.map(({ value, name: word }) => (
                <option key={value} value={value}>
                  {word}
                </option>
              ))}
            </Choice>
          </li>
        ))}
      </ul>
      <div className="mt-3 flex items-end gap-2">
        <Field
          className="min-w-0 flex-1"
          label="Another tool"
          placeholder="double_click, or mcp__SERVER__TOOL"
          value={name}
          maxLength={200}
          autoComplete="off"
          spellCheck={false}
          onChange={(event) => setName(event.target.value)}
          onKeyDown={(event) => {
            // Enter adds the tool; it does not save the form.
            if (event.key !== "Enter") return;
            event.preventDefault();
            add();
          }}
        />
        <Button disabled={name.trim() === ""} onClick={add}>
          Add
        </Button>
      </div>
    </fieldset>
  );
}

function wordsOf(tool: string): string | undefined {
  const whose = serversTool(tool);
  return whose ? inWords(whose) : TOOLS[tool];
}

// Calls a tool with an input of a person's, and shows what it answers.
import { type FormEvent, useState } from "react";
import { explain } from "../api/problem";
import type { McpTool } from "../api/types";
import { Area } from "../ui/area";
import { Button } from "../ui/button";
import { CodeBlock } from "../ui/code";
import { CheckIcon, CrossIcon } from "../ui/icons";
import { Notice } from "../ui/notice";
import { duration } from "../ui/time";
import { useTry } from "./queries";
import { beginningOf, readInput } from "./try-input";

interface Props {
  desktopId: string;
  server: string;
  tool: McpTool;
}

export function TryTool({ desktopId, server, tool }: Props) {
  const [text, setText] = useState(() => beginningOf(tool.input_schema));
  const [wrong, setWrong] = useState<string>();
  const trying = useTry(desktopId, server, tool.name);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const read = readInput(text);
    setWrong("error" in read ? read.error : undefined);
    if ("input" in read) trying.mutate(read.input);
  };
  const answer = trying.data;
  return (
    <form className="mt-3 rounded-xl border border-line p-3" onSubmit={submit} noValidate>
      <Area
        fixed
        label="Input (JSON)"
        rows={Math.min(10, text.split("\n").length + 1)}
        spellCheck={false}
        autoComplete="off"
        value={text}
        error={wrong}
        onChange={(event) => setText(event.target.value)}
      />
      <div className="mt-2 flex flex-wrap items-center justify-between gap-x-3 gap-y-2">
        <p className="text-sm text-faint">It is really called: what it does, it does.</p>
        <Button
          size="small"
          look="primary"
          type="submit"
          className="ml-auto max-w-full"
          busy={trying.isPending}
        >
          <span className="truncate">Call {tool.name}</span>
        </Button>
      </div>
      <div aria-live="polite">
        {answer && !trying.isPending && (
          <div data-testid="mcp-tried" data-error={answer.is_error} className="mt-3">
            <p
              className={`mb-1.5 flex items-center gap-1.5 text-sm font-medium ${answer.is_error ? "text-bad" : "text-good"}`}
            >
              {answer.is_error ? <CrossIcon /> : <CheckIcon />}
              {answer.is_error ? "It answered with an error" : "It answered"}
              <span className="font-normal text-faint">in {duration(answer.took_ms)}</span>
            </p>
            <CodeBlock label={`Answer of ${tool.name}`}>{answer.text || "(nothing)"}</CodeBlock>
          </div>
        )}
        {trying.isError && (
          <Notice tone="bad" className="mt-3">
            {explain(trying.error)}
          </Notice>
        )}
      </div>
    </form>
  );
}

// What a server offers: its tools, as it describes them itself.
import { useState } from "react";
import { explain } from "../api/problem";
import type { McpStatus, McpTool } from "../api/types";
import { Button } from "../ui/button";
import { Code, CodeBlock } from "../ui/code";
import { ChevronIcon } from "../ui/icons";
import { Notice } from "../ui/notice";
import { Spinner } from "../ui/spinner";
import { calledBy } from "./names";
import { useTools } from "./queries";
import { TryTool } from "./try-tool";

interface Props {
  desktopId: string;
  status: McpStatus;
}

export function Tools({ desktopId, status }: Props) {
  if (status.state !== "running") {
    return <p className="text-sm text-muted">Its tools are known while it runs.</p>;
  }
  return <Offered desktopId={desktopId} status={status} />;
}

function Offered({ desktopId, status: { name, since } }: Props) {
  const tools = useTools(desktopId, name, since);
  if (tools.isPending) {
    return (
      <div role="status" aria-label="Loading the tools">
        <Spinner className="size-5 text-faint" />
      </div>
    );
  }
  if (tools.isError) {
    return (
      <>
        <Notice tone="bad">{explain(tools.error)}</Notice>
        <Button size="small" className="mt-3" busy={tools.isFetching} onClick={() => void tools.refetch()}>
          Try again
        </Button>
      </>
    );
  }
  if (tools.data.length === 0) return <p className="text-sm text-muted">It offers no tool.</p>;
  const all = tools.data.map((tool) => tool.name);
  return (
    <>
      <p className="mb-3 text-sm text-faint">
        These are the server&rsquo;s own words: nobody has checked them.
      </p>
      <ul role="list" aria-label={`Tools of ${name}`} className="divide-y divide-line">
        {tools.data.map((tool) => (
          <Tool
            key={tool.name}
            desktopId={desktopId}
            server={name}
            tool={tool}
            called={calledBy(name, tool.name, all)}
          />
        ))}
      </ul>
    </>
  );
}

interface ToolProps {
  desktopId: string;
  server: string;
  tool: McpTool;
  called: string | undefined;
}

function Tool({ desktopId, server, tool, called }: ToolProps) {
  const [trying, setTrying] = useState(false);
  return (
    <li data-testid="mcp-tool" className="py-3 first:pt-0 last:pb-0">
      <div className="flex items-start gap-3">
        <div className="min-w-0 flex-1">
          <h3 className="font-mono text-sm font-semibold [overflow-wrap:anywhere]">{tool.name}</h3>
          {called && (
            <p className="mt-0.5 text-xs text-faint">
              The agent calls it <Code>{called}</Code>
            </p>
          )}
        </div>
        <Button
          size="small"
          aria-label={`Try ${tool.name}`}
          aria-expanded={trying}
          onClick={() => setTrying(!trying)}
        >
          Try
        </Button>
      </div>
      {tool.description && (
        <div
          role="group"
          aria-label={`Description of ${tool.name}`}
          // What scrolls must be reachable by keyboard.
          // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
          tabIndex={0}
          className="mt-1.5 max-h-48 overflow-y-auto text-sm [overflow-wrap:anywhere] whitespace-pre-wrap text-muted"
        >
          {tool.description}
        </div>
      )}
      <details className="group mt-1.5 text-sm">
        <summary className="inline-flex list-none items-center gap-1 rounded-md text-muted select-none hover:text-ink [&::-webkit-details-marker]:hidden">
          <ChevronIcon className="size-3.5 transition-transform group-open:rotate-90" />
          Schema <span className="sr-only">of the input of {tool.name}</span>
        </summary>
        <CodeBlock label={`Schema of ${tool.name}`} className="mt-1.5">
          {JSON.stringify(tool.input_schema, null, 2) ?? ""}
        </CodeBlock>
      </details>
      {trying && <TryTool desktopId={desktopId} server={server} tool={tool} />}
    </li>
  );
}

// The two ways in which a server is reached, each with its fields, and with who can read what stands in them.
import { placeholderOf } from "../api/secrets";
import { Area } from "../ui/area";
import { Code } from "../ui/code";
import { Field } from "../ui/field";
import { Notice } from "../ui/notice";
import { type Errors, isReadable, MASK, type ServerForm } from "./form";

interface Props {
  form: ServerForm;
  errors: Errors;
  // Does the form begin with values that are stored, and masked?
  stored: boolean;
  onChange: (part: Partial<ServerForm>) => void;
}

export function ProcessFields({ form, errors, stored, onChange }: Props) {
  return (
    <>
      <Field
        label="Command"
        name="server-command"
        placeholder="npx"
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        value={form.command}
        error={errors.command}
        hint="A program on the desktop, by its name or its path."
        onChange={(event) => onChange({ command: event.target.value })}
      />
      <Area
        fixed
        label="Arguments"
        name="server-args"
        rows={3}
        placeholder={"-y\n@modelcontextprotocol/server-filesystem\n/home/user"}
        autoComplete="off"
        spellCheck={false}
        value={form.args}
        error={errors.args}
        hint={
          <>
            One on each line. What a line cannot hold stands in double quotes: <Code>{'"two\\nlines"'}</Code>
          </>
        }
        onChange={(event) => onChange({ args: event.target.value })}
      />
      <div>
        <Area
          fixed
          label="Environment variables"
          name="server-env"
          rows={3}
          placeholder={`API_TOKEN=${placeholderOf("API_TOKEN")}`}
          autoComplete="off"
          spellCheck={false}
          value={form.env}
          error={errors.env}
          hint={<Values example="NAME=value" stored={stored && "for the same command"} />}
          onChange={(event) => onChange({ env: event.target.value })}
        />
        <Notice tone="warn" className="mt-2.5">
          Everything that runs on the desktop can read what the program is given here, the agent&rsquo;s shell
          included: also the value of a secret.
        </Notice>
      </div>
    </>
  );
}

export function AddressFields({ form, errors, stored, onChange }: Props) {
  return (
    <>
      <Field
        label="URL"
        name="server-url"
        type="url"
        placeholder="https://mcp.example.com/mcp"
        autoComplete="off"
        spellCheck={false}
        value={form.url}
        error={errors.url}
        onChange={(event) => onChange({ url: event.target.value })}
      />
      <div>
        <Area
          fixed
          label="Headers"
          name="server-headers"
          rows={3}
          placeholder={`Authorization: Bearer ${placeholderOf("API_TOKEN")}`}
          autoComplete="off"
          spellCheck={false}
          value={form.headers}
          error={errors.headers}
          hint={
            <Values example="Name: value" stored={stored && "for a URL of the same scheme, host and port"} />
          }
          onChange={(event) => onChange({ headers: event.target.value })}
        />
        {isReadable(form.url) ? (
          <Notice tone="warn" className="mt-2.5">
            Everything that runs on the desktop can read what is sent by <Code>http://</Code>, the
            agent&rsquo;s shell included: no secret may stand here.
          </Notice>
        ) : (
          <Notice className="mt-2.5">
            Headers stay outside of the desktop: nothing that runs there can read them, nor can the agent.
          </Notice>
        )}
      </div>
    </>
  );
}

interface ValuesProps {
  example: string;
  // How long a mask stands for what is stored, if anything is.
  stored: string | false;
}

function Values({ example, stored }: ValuesProps) {
  return (
    <>
      <Code>{example}</Code>, one on each line. Write <Code>{placeholderOf("NAME")}</Code> for a value that is
      kept under Settings, Secrets.
      {stored && (
        <>
          {" "}
          <Code>{MASK}</Code> stands for a value that is stored: it stays as long as you leave it so, {stored}
          .
        </>
      )}
    </>
  );
}

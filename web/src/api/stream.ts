// Server-sent events over fetch: unlike EventSource it can read a refusal, renew the session, and say why it waits.
import { fetchSignedIn } from "./client";
import { type LinkStatus, Reconnect, whenBack } from "./reconnect";

interface Options {
  // Asked again for every attempt, so that it can say from where to go on.
  path: () => string;
  onData: (data: string) => void;
  onStatus?: (status: LinkStatus) => void;
}

// The server sends a comment now and then; a stream that is silent for longer is dead.
const SILENCE_MS = 60_000;
const LONGEST_EVENT = 8_000_000;

export class Stream {
  private readonly reconnect: Reconnect;
  private readonly forgetBack: () => void;
  private abort: AbortController | undefined;
  private reason = "The connection was lost.";

  constructor(private readonly options: Options) {
    this.reconnect = new Reconnect(
      () => void this.connect(),
      (status) => options.onStatus?.(status),
      () => Promise.resolve(this.reason),
    );
    this.forgetBack = whenBack(() => this.reconnect.now());
    this.reconnect.start();
  }

  close(): void {
    this.reconnect.stop();
    this.forgetBack();
    this.abort?.abort();
  }

  private async connect(): Promise<void> {
    const abort = new AbortController();
    this.abort = abort;
    let silence: ReturnType<typeof setTimeout> | undefined;
    const awake = () => {
      clearTimeout(silence);
      silence = setTimeout(() => abort.abort(), SILENCE_MS);
    };
    try {
      awake();
      const response = await fetchSignedIn("GET", this.options.path(), {
        headers: { accept: "text/event-stream" },
        signal: abort.signal,
      });
      this.reconnect.opened();
      const events = new EventParser(this.options.onData);
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
        awake();
        events.push(part.value);
      }
      this.reason = "The connection was lost.";
    } catch (error) {
      this.reason =
        error instanceof Error && !abort.signal.aborted ? error.message : "The connection was lost.";
    } finally {
      clearTimeout(silence);
      abort.abort();
      if (this.abort === abort) this.reconnect.lost();
    }
  }
}

// Cuts a stream of text into the `data` of its events.
export class EventParser {
  private rest = "";
  private data: string[] = [];

  constructor(private readonly onData: (data: string) => void) {}

  push(text: string): void {
    this.rest += text;
    if (this.rest.length > LONGEST_EVENT) throw new Error("The server sent an event that is too long.");
    const lines = this.rest.split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) this.line(line);
  }

  private line(line: string): void {
    if (line === "") {
      if (this.data.length > 0) this.onData(this.data.join("\n"));
      this.data = [];
    } else if (line.startsWith("data:")) {
      this.data.push(line.slice(5).replace(/^ /, ""));
    }
  }
}

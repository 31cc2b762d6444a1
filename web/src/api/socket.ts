// A WebSocket of JSON frames that comes back by itself.
import { API } from "./client";
import { type LinkStatus, Reconnect, whenBack } from "./reconnect";

interface Options {
  // Asked again for every attempt, so that it can say from where to go on.
  path: () => string;
  onFrame: (frame: unknown) => void;
  onStatus: (status: LinkStatus) => void;
  diagnose: () => Promise<string>;
}

// A server that does not finish the handshake must not hold the retry up.
const HANDSHAKE_MS = 15_000;

export class Socket {
  private socket: WebSocket | undefined;
  private readonly reconnect: Reconnect;
  private readonly forgetBack: () => void;

  constructor(private readonly options: Options) {
    this.reconnect = new Reconnect(() => this.connect(), options.onStatus, options.diagnose);
    this.forgetBack = whenBack(() => this.reconnect.now());
    this.reconnect.start();
  }

  get isOpen(): boolean {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  send(frame: unknown): boolean {
    if (!this.isOpen) return false;
    this.socket?.send(JSON.stringify(frame));
    return true;
  }

  // Drops the connection and asks again, from where `path` now says.
  restart(): void {
    this.socket?.close();
  }

  retryNow(): void {
    this.reconnect.now();
  }

  close(): void {
    this.reconnect.stop();
    this.forgetBack();
    this.socket?.close();
    this.socket = undefined;
  }

  private connect(): void {
    const socket = new WebSocket(webSocketUrl(this.options.path()));
    this.socket = socket;
    const handshake = setTimeout(() => socket.close(), HANDSHAKE_MS);
    socket.onopen = () => {
      clearTimeout(handshake);
      if (this.socket === socket) this.reconnect.opened();
    };
    socket.onmessage = (message) => {
      if (this.socket !== socket || typeof message.data !== "string") return;
      this.options.onFrame(JSON.parse(message.data));
    };
    socket.onclose = (event) => {
      clearTimeout(handshake);
      if (this.socket === socket) this.reconnect.lost(event.reason && sentence(event.reason));
    };
  }
}

export function webSocketUrl(path: string): string {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  return `${scheme}//${location.host}${API}${path}`;
}

function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
}

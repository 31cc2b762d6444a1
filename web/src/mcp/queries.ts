// The MCP servers of a desktop: control keeps what they are, the desktop itself tells how they stand.
import { type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { call } from "../api/client";
import { ApiError } from "../api/problem";
import type { McpServer, McpServerConfig, McpStatus, McpTool, McpTried } from "../api/types";
import { askAgainMs, isNoWordYet, type Order } from "./standing";
import type { Input } from "./try-input";

const list = (desktopId: string) => ["mcp-servers", desktopId];
const standingKey = (desktopId: string, name: string) => ["mcp-standing", desktopId, name];
const savedKey = (desktopId: string, name: string) => ["mcp-saved", desktopId, name];
const path = (desktopId: string, name: string) => `/desktops/${desktopId}/mcp-servers/${name}`;

export function logsOf(desktopId: string, name: string): string {
  return `${path(desktopId, name)}/logs`;
}

export function useServers(desktopId: string) {
  return useQuery({
    queryKey: list(desktopId),
    queryFn: ({ signal }) => call<McpServer[]>("GET", `/desktops/${desktopId}/mcp-servers`, { signal }),
  });
}

// `change`: the server is there already.
export function useSaveServer(desktopId: string, change: boolean) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (config: McpServerConfig) =>
      change
        ? call<McpServer>("PUT", path(desktopId, config.name), { body: config })
        : call<McpServer>("POST", `/desktops/${desktopId}/mcp-servers`, { body: config }),
    // Values are kept nowhere, not even in what the mutation remembers of itself.
    gcTime: 0,
    onSuccess: ({ name }) => {
      queries.setQueryData(savedKey(desktopId, name), Date.now());
      void queries.invalidateQueries({ queryKey: standingKey(desktopId, name) });
      return queries.invalidateQueries({ queryKey: list(desktopId) });
    },
  });
}

export function useDeleteServer(desktopId: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (name: string) => call("DELETE", path(desktopId, name)),
    onSuccess: (_, name) => queries.removeQueries({ queryKey: standingKey(desktopId, name) }),
    onSettled: () => queries.invalidateQueries({ queryKey: list(desktopId) }),
  });
}

// How a server stands, and what is asked of it. `null`: its desktop has no word of it yet.
export function useStanding(desktopId: string, name: string, ready: boolean) {
  const queries = useQueryClient();
  const key = standingKey(desktopId, name);
  const order = useMutation({
    mutationFn: (verb: Order) => call<McpStatus>("POST", `${path(desktopId, name)}/${verb}`),
    onSuccess: async (status) => {
      // An answer that is still under way may be older.
      await queries.cancelQueries({ queryKey: key });
      queries.setQueryData(key, status);
    },
    onError: () => queries.invalidateQueries({ queryKey: key }),
  });
  const standing = useQuery<McpStatus | null>({
    queryKey: key,
    queryFn: async ({ signal }) => {
      try {
        return await call<McpStatus>("GET", `${path(desktopId, name)}/status`, { signal });
      } catch (error) {
        if (error instanceof ApiError && isNoWordYet(error.code, wasSaved(queries, desktopId, name))) {
          return null;
        }
        throw error;
      }
    },
    enabled: ready,
    staleTime: 0,
    refetchInterval: ({ state }) =>
      askAgainMs(state.data, order.isPending || wasSaved(queries, desktopId, name)),
  });
  return { standing, order };
}

const NEWS_TAKE_MS = 15_000;

// Was it saved so lately that its desktop may not have heard of it?
function wasSaved(queries: QueryClient, desktopId: string, name: string): boolean {
  const at = queries.getQueryData<number>(savedKey(desktopId, name));
  return at !== undefined && Date.now() - at < NEWS_TAKE_MS;
}

// `since`: a server that was started again may offer others.
export function useTools(desktopId: string, name: string, since: number) {
  return useQuery({
    queryKey: ["mcp-tools", desktopId, name, since],
    queryFn: ({ signal }) => call<McpTool[]>("GET", `${path(desktopId, name)}/tools`, { signal }),
  });
}

export function useTry(desktopId: string, name: string, tool: string) {
  return useMutation({
    mutationFn: (input: Input) =>
      call<McpTried>("POST", `${path(desktopId, name)}/try`, { body: { tool, input } }),
  });
}

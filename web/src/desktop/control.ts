// Control of a desktop: who has it, and how it is taken and handed back.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { useMe } from "../api/account";
import { call, fetchSignedIn } from "../api/client";
import type { ControlStatus, HandBack } from "../api/types";
import { driving, type Driving, waitsForControl } from "./driving";

const key = (desktopId: string) => ["control", desktopId];

interface Known {
  status: ControlStatus;
  // An open chat tells of every change, so that there is little to ask.
  told: boolean;
}

const ASK_MS = 4_000;
const ASK_WHEN_TOLD_MS = 30_000;

export interface Control {
  // Not known while nothing has answered.
  who: Driving | undefined;
  waiting: boolean;
  failed: boolean;
}

export function useControl(desktopId: string, ready: boolean): Control {
  const me = useMe().data?.id;
  const queries = useQueryClient();
  const { data, isError } = useQuery<Known>({
    queryKey: key(desktopId),
    queryFn: async ({ signal }) => {
      const status = await call<ControlStatus>("GET", `/desktops/${desktopId}/control`, { signal });
      return { status, told: queries.getQueryData<Known>(key(desktopId))?.told ?? false };
    },
    enabled: ready,
    staleTime: 0,
    refetchInterval: ({ state }) => (state.data?.told ? ASK_WHEN_TOLD_MS : ASK_MS),
  });
  return {
    who: data && driving(data.status, me),
    waiting: data !== undefined && waitsForControl(data.status, me),
    failed: isError,
  };
}

// What the chat's socket says of control, for everybody on the page.
export function useControlFromChat(desktopId: string, status: ControlStatus | undefined, open: boolean) {
  const queries = useQueryClient();
  useEffect(() => {
    if (!status || !open) return;
    // An answer that is still under way may be older than what was just told.
    void queries.cancelQueries({ queryKey: key(desktopId) });
    queries.setQueryData<Known>(key(desktopId), { status, told: true });
    return () => {
      queries.setQueryData<Known>(key(desktopId), (known) => known && { ...known, told: false });
    };
  }, [queries, desktopId, status, open]);
}

export type Grasp = "take" | "request";

export function useGrasp(desktopId: string) {
  const told = useTold(desktopId);
  return useMutation({
    mutationFn: (how: Grasp) =>
      call<ControlStatus>("POST", `/desktops/${desktopId}/control/${how}`, { body: {} }),
    ...told,
  });
}

export function useHandBack(desktopId: string) {
  const told = useTold(desktopId);
  return useMutation({
    mutationFn: (body: HandBack) =>
      call<ControlStatus>("POST", `/desktops/${desktopId}/control/release`, { body }),
    ...told,
  });
}

function useTold(desktopId: string) {
  const queries = useQueryClient();
  return {
    onSuccess: async (status: ControlStatus) => {
      await queries.cancelQueries({ queryKey: key(desktopId) });
      queries.setQueryData<Known>(key(desktopId), (known) => ({ status, told: known?.told ?? false }));
    },
    onError: () => queries.invalidateQueries({ queryKey: key(desktopId) }),
  };
}

export interface Preview {
  picture: Blob;
  sha256: string;
}

// The picture that the agent would get; it is forgotten as soon as nobody looks at it.
export function usePreview(desktopId: string) {
  return useQuery<Preview>({
    queryKey: ["preview", desktopId],
    queryFn: async ({ signal }) => {
      const response = await fetchSignedIn("GET", `/desktops/${desktopId}/control/preview`, {
        headers: { accept: "image/png, image/jpeg" },
        signal,
      });
      const sha256 = response.headers.get("x-cloudbot-picture");
      if (!sha256) throw new Error("The desktop did not say which picture this is. Take it again.");
      return { picture: await response.blob(), sha256 };
    },
    staleTime: Infinity,
    gcTime: 0,
    retry: false,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });
}

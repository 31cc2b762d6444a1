// The addresses of the app.
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { lazy, Suspense, useEffect } from "react";
import { BrowserRouter, Link, Navigate, Outlet, Route, Routes } from "react-router";
import { onSignedOut } from "./api/client";
import { ApiError } from "./api/problem";
import { useDesktopEvents } from "./desktop/queries";
import { DesktopsPage } from "./pages/desktops";
import { SignInPage, SignUpPage } from "./pages/enter";
import { Frame, SignedIn } from "./pages/frame";
import { SettingsPage } from "./pages/settings";
import { buttonClass } from "./ui/button";
import { Spinner } from "./ui/spinner";

const DesktopPage = lazy(() => import("./pages/desktop"));
const McpServersPage = lazy(() => import("./pages/mcp-servers"));
const ReplayPage = lazy(() => import("./session/replay/page"));

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // An answer that says no says it again; only a missing answer may come on another try.
      retry: (failures, error) =>
        failures < 2 && !(error instanceof ApiError && error.status > 0 && error.status < 500),
    },
  },
});

export function App() {
  useEffect(() => onSignedOut(() => queries.setQueryData(["me"], null)), []);
  return (
    <QueryClientProvider client={queries}>
      <BrowserRouter>
        <Routes>
          <Route path="/sign-in" element={<SignInPage />} />
          <Route path="/sign-up" element={<SignUpPage />} />
          <Route element={<SignedIn />}>
            <Route element={<Following />}>
              <Route element={<Frame />}>
                <Route path="/desktops" element={<DesktopsPage />} />
                <Route path="/desktops/:id/mcp-servers" element={<McpServersPage />} />
                <Route path="/settings" element={<SettingsPage />} />
              </Route>
              <Route path="/desktops/:id" element={<DesktopPage />} />
              <Route path="/sessions/:id/replay" element={<ReplayPage />} />
            </Route>
          </Route>
          <Route path="/" element={<Navigate to="/desktops" replace />} />
          <Route path="*" element={<Lost />} />
        </Routes>
      </BrowserRouter>
    </QueryClientProvider>
  );
}

function Following() {
  useDesktopEvents();
  return (
    <Suspense
      fallback={
        <div role="status" aria-label="Loading" className="grid min-h-dvh place-items-center">
          <Spinner className="size-6 text-faint" />
        </div>
      }
    >
      <Outlet />
    </Suspense>
  );
}

function Lost() {
  return (
    <main className="grid min-h-dvh place-items-center p-6 text-center">
      <div>
        <h1 className="text-lg font-semibold">Nothing is at this address</h1>
        <Link to="/desktops" className={`mt-5 ${buttonClass("primary")}`}>
          To your desktops
        </Link>
      </div>
    </main>
  );
}

// What stands around the pages of somebody who is signed in.
import type { ReactNode } from "react";
import { Link, Navigate, NavLink, Outlet, useLocation } from "react-router";
import { useMe, useSignOut } from "../api/account";
import { explain } from "../api/problem";
import { Button } from "../ui/button";
import { PersonIcon } from "../ui/icons";
import { Logo } from "../ui/logo";
import { Menu, MenuItem } from "../ui/menu";
import { Notice } from "../ui/notice";
import { Spinner } from "../ui/spinner";

// Lets nobody in who is not signed in, and brings them back here once they are.
export function SignedIn() {
  const me = useMe();
  const location = useLocation();
  if (me.data) return <Outlet />;
  if (me.data === null) {
    return <Navigate to="/sign-in" replace state={{ from: location.pathname + location.search }} />;
  }
  return (
    <main className="grid min-h-dvh place-items-center p-6">
      {me.isError ? (
        <div className="max-w-sm text-center">
          <Notice tone="bad" className="text-left">
            {explain(me.error)}
          </Notice>
          <Button className="mt-4" onClick={() => void me.refetch()} busy={me.isFetching}>
            Try again
          </Button>
        </div>
      ) : (
        <div role="status" aria-label="Loading">
          <Spinner className="size-6 text-faint" />
        </div>
      )}
    </main>
  );
}

export function Frame() {
  return (
    <div className="flex min-h-dvh flex-col">
      <header className="sticky top-0 z-10 border-b border-line bg-bg/85 backdrop-blur">
        <div className="mx-auto flex h-14 max-w-6xl items-center gap-1 px-4 sm:gap-2 sm:px-6">
          <Link
            to="/desktops"
            aria-label="CloudBot"
            className="mr-2 flex items-center gap-2.5 font-semibold tracking-tight"
          >
            <Logo /> <span className="max-sm:hidden">CloudBot</span>
          </Link>
          <nav aria-label="Pages" className="flex gap-1">
            <PageLink to="/desktops">Desktops</PageLink>
            <PageLink to="/settings">Settings</PageLink>
          </nav>
          <div className="ml-auto">
            <AccountMenu />
          </div>
        </div>
      </header>
      <main className="mx-auto w-full max-w-6xl flex-1 px-4 py-7 sm:px-6 sm:py-10">
        <Outlet />
      </main>
    </div>
  );
}

function PageLink({ to, children }: { to: string; children: string }) {
  return (
    <NavLink
      to={to}
      className={({ isActive }) =>
        `rounded-lg px-3 py-1.5 text-sm font-medium transition-colors ${isActive ? "bg-sunken text-ink" : "text-muted hover:text-ink"}`
      }
    >
      {children}
    </NavLink>
  );
}

// `children` are further things to do, above signing out.
export function AccountMenu({ children }: { children?: ReactNode }) {
  const me = useMe();
  const signOut = useSignOut();
  return (
    <Menu label="Account menu" button={<PersonIcon className="size-5" />}>
      <p className="truncate px-3 py-2 text-sm text-muted">{me.data?.email}</p>
      {children}
      <MenuItem stays onSelect={() => signOut.mutate()}>
        Sign out
      </MenuItem>
      {signOut.isError && <Notice tone="bad">{explain(signOut.error)}</Notice>}
    </Menu>
  );
}

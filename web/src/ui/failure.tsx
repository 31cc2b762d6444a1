// Catches what breaks while a page is drawn, such as a part of the app that a newer version has replaced.
import { Component, type ReactNode } from "react";
import { Button } from "./button";

interface Props {
  children: ReactNode;
}

export class Failure extends Component<Props, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    if (!this.state.failed) return this.props.children;
    return (
      <main className="grid min-h-dvh place-items-center p-6 text-center">
        <div role="alert">
          <h1 className="text-lg font-semibold">This page could not be shown</h1>
          <p className="mt-1 max-w-sm text-muted">
            CloudBot may have been updated meanwhile. Load the page again; nothing that you typed is lost.
          </p>
          <Button look="primary" className="mt-5" onClick={() => location.reload()}>
            Load again
          </Button>
        </div>
      </main>
    );
  }
}

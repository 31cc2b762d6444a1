// Puts the app on the page.
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import "./styles.css";
import { Failure } from "./ui/failure";

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <Failure>
        <App />
      </Failure>
    </StrictMode>,
  );
}

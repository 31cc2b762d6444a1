import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

declare const process: { env: Record<string, string | undefined> };

const target = process.env.CLOUDBOT_TARGET ?? "http://localhost:8080";

export default defineConfig({
  plugins: [react(), tailwindcss()],
  build: { target: "es2023", assetsInlineLimit: 0 },
  server: {
    // The edge compares the Origin exactly, so the proxy shows it its own.
    proxy: { "/api": { target, ws: true, changeOrigin: true, headers: { origin: target } } },
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});

import js from "@eslint/js";
import prettier from "eslint-config-prettier";
import jsxA11y from "eslint-plugin-jsx-a11y";
import reactHooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist", "node_modules", "src/api/schema.d.ts"] },
  js.configs.recommended,
  ...tseslint.configs.strict,
  jsxA11y.flatConfigs.recommended,
  reactHooks.configs.flat.recommended,
  prettier,
  {
    rules: {
      "max-lines": ["error", { max: 400, skipBlankLines: false }],
      "@typescript-eslint/no-unused-vars": ["error", { ignoreRestSiblings: true }],
      "no-console": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      // Lists whose bullets are styled away lose their role in Safari; the role brings it back.
      "jsx-a11y/no-redundant-roles": ["error", { ul: ["list"], ol: ["list"], article: ["article"] }],
    },
  },
  { files: ["**/*.test.ts"], rules: { "max-lines": "off" } },
);

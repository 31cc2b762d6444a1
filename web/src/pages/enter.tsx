// Sign up and sign in: one form, two intentions.
import { type FormEvent, useState } from "react";
import { Link, Navigate, useLocation } from "react-router";
import { useEnter, useMe } from "../api/account";
import { ApiError, explain } from "../api/problem";
import { Button } from "../ui/button";
import { Field } from "../ui/field";
import { Logo } from "../ui/logo";
import { Notice } from "../ui/notice";
import { useTitle } from "../ui/title";

const SHORTEST = 10;

export function SignInPage() {
  return <EnterPage how="login" title="Sign in" button="Sign in" />;
}

export function SignUpPage() {
  return <EnterPage how="signup" title="Create your account" button="Create account" />;
}

interface Props {
  how: "login" | "signup";
  title: string;
  button: string;
}

type Errors = Partial<Record<"email" | "password" | "form", string>>;

function EnterPage({ how, title, button }: Props) {
  useTitle(title);
  const me = useMe();
  const enter = useEnter(how);
  const from = (useLocation().state as { from?: string } | null)?.from ?? "/desktops";
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [own, setOwn] = useState<Errors>({});

  if (me.data) return <Navigate to={from} replace />;

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const found = check(how, email, password);
    setOwn(found);
    enter.reset();
    if (Object.keys(found).length === 0) enter.mutate({ email: email.trim(), password });
  };
  const errors = enter.error ? placed(enter.error) : own;

  return (
    <main className="grid min-h-dvh place-items-center px-4 py-10">
      <div className="w-full max-w-sm">
        <div className="mb-8 flex items-center justify-center gap-2.5 text-xl font-semibold tracking-tight">
          <Logo className="size-9" /> CloudBot
        </div>
        <div className="rounded-2xl border border-line bg-surface p-6 shadow-card sm:p-7">
          <h1 className="text-xl font-semibold">{title}</h1>
          <p className="mt-1 text-sm text-muted">
            {how === "login"
              ? "Your desktops are where you left them."
              : "Cloud desktops that an agent works on while you watch."}
          </p>
          <form className="mt-6 space-y-4" onSubmit={submit} noValidate>
            <Field
              label="E-mail address"
              type="email"
              name="email"
              autoComplete="username"
              inputMode="email"
              value={email}
              error={errors.email}
              onChange={(event) => setEmail(event.target.value)}
            />
            <Field
              label="Password"
              type="password"
              name="password"
              autoComplete={how === "login" ? "current-password" : "new-password"}
              value={password}
              hint={
                how === "signup"
                  ? `At least ${SHORTEST} characters. A few words in a row work well.`
                  : undefined
              }
              error={errors.password}
              onChange={(event) => setPassword(event.target.value)}
            />
            {errors.form && <Notice tone="bad">{errors.form}</Notice>}
            <Button look="primary" type="submit" className="w-full" busy={enter.isPending}>
              {button}
            </Button>
          </form>
        </div>
        <p className="mt-5 text-center text-sm text-muted">
          {how === "login" ? "New here? " : "You have an account? "}
          <Link
            to={how === "login" ? "/sign-up" : "/sign-in"}
            state={{ from }}
            className="font-medium text-accent hover:underline"
          >
            {how === "login" ? "Create an account" : "Sign in"}
          </Link>
        </p>
      </div>
    </main>
  );
}

function check(how: Props["how"], email: string, password: string): Errors {
  const errors: Errors = {};
  if (!/^\S+@\S+$/.test(email.trim())) errors.email = "Enter an e-mail address, such as ada@example.org.";
  if (password === "") errors.password = "Enter your password.";
  else if (how === "signup" && Array.from(password).length < SHORTEST) {
    errors.password = `Use at least ${SHORTEST} characters; this one has ${Array.from(password).length}.`;
  }
  return errors;
}

// An error stands beside the field that it is about.
function placed(error: Error): Errors {
  const text = explain(error);
  const code = error instanceof ApiError ? error.code : "";
  if (code === "email_taken") return { email: text };
  if (code === "weak_password" || code === "wrong_credentials") return { password: text };
  if (code === "invalid_value" && /e-?mail/i.test(text)) return { email: text };
  return { form: text };
}

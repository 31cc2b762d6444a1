// A cloud that looks back.
export function Logo({ className = "size-7" }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" className={`shrink-0 ${className}`} aria-hidden="true">
      <rect width="32" height="32" rx="9" fill="var(--accent)" />
      <path
        d="M10.2 23.5a5.2 5.2 0 0 1-.7-10.35 7 7 0 0 1 13.4 1.2 4.6 4.6 0 0 1-.9 9.15z"
        fill="var(--on-accent)"
      />
      <circle cx="13.4" cy="17.8" r="1.5" fill="var(--accent)" />
      <circle cx="18.6" cy="17.8" r="1.5" fill="var(--accent)" />
    </svg>
  );
}

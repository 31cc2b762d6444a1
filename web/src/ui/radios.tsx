import type { ReactNode } from "react";

/** One of a few, each with what it means. */
export interface Radio<T extends string> {
  value: T;
  name: string;
  means: string;
}

export function Radios<T extends string>({
  legend,
  name,
  radios,
  value,
  onChange,
  children,
}: {
  legend: ReactNode;
  /** Of the form's field, unique in it. */
  name: string;
  radios: readonly Radio<T>[];
  value: T;
  onChange: (value: T) => void;
  /** What belongs to the choice as a whole. */
  children?: ReactNode;
}) {
  return (
    <fieldset className="min-w-0">
      <legend className="mb-1.5 text-sm font-medium">{legend}</legend>
      <div className="space-y-1">
        {radios.map((radio) => (
          <div
            key={radio.value}
            className="rounded-lg border border-transparent px-2.5 py-1.5 text-sm has-checked:border-line has-checked:bg-sunken"
          >
            <label className="flex items-center gap-2.5 font-medium">
              <input
                type="radio"
                name={name}
                value={radio.value}
                checked={radio.value === value}
                aria-describedby={`${name}-${radio.value}`}
                className="size-4 accent-accent"
                onChange={() => onChange(radio.value)}
              />
              {radio.name}
            </label>
            <p id={`${name}-${radio.value}`} className="pl-6.5 text-muted">
              {radio.means}
            </p>
          </div>
        ))}
      </div>
      {children}
    </fieldset>
  );
}

import type { ReactNode } from 'react';
import { Icon, type IconName } from './icon.tsx';

export interface ButtonProps {
  readonly children: ReactNode;
  readonly onClick?: () => void;
  readonly icon?: IconName;
  readonly look?: 'plain' | 'primary' | 'danger' | 'quiet';
  readonly disabled?: boolean;
  readonly pressed?: boolean;
  readonly submit?: boolean;
  readonly title?: string;
}

export function Button({ children, onClick, icon, look = 'plain', disabled, pressed, submit, title }: ButtonProps) {
  return (
    <button
      type={submit ? 'submit' : 'button'}
      className={`button ${look}`}
      onClick={onClick}
      disabled={disabled}
      aria-pressed={pressed}
      title={title}
    >
      {icon && <Icon name={icon} size={14} />}
      {children}
    </button>
  );
}

/** A button that shows an icon only; `label` is its name. */
export function IconButton({
  label,
  icon,
  onClick,
  pressed,
}: {
  readonly label: string;
  readonly icon: IconName;
  readonly onClick: () => void;
  readonly pressed?: boolean;
}) {
  return (
    <button type="button" className="button quiet square" onClick={onClick} aria-label={label} aria-pressed={pressed} title={label}>
      <Icon name={icon} />
    </button>
  );
}

/** Choices of which exactly one holds. */
export function Choice<T extends string>(props: {
  readonly label: string;
  readonly value: T;
  readonly options: readonly (readonly [T, string])[];
  readonly onChange: (value: T) => void;
}) {
  return (
    <fieldset className="choice">
      <legend className="hidden">{props.label}</legend>
      {props.options.map(([value, text]) => (
        <label key={value}>
          <input type="radio" name={props.label} value={value} checked={value === props.value} onChange={() => props.onChange(value)} />
          <span>{text}</span>
        </label>
      ))}
    </fieldset>
  );
}

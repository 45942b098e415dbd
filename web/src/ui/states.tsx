import { type ReactNode, useEffect, useState } from 'react';
import type { ApiError } from '#server/api.ts';
import { Button } from './button.tsx';
import { Icon } from './icon.tsx';

/** Shape of what comes, shown only when it takes longer than 150 ms. */
export function Skeleton({ rows = 6 }: { readonly rows?: number }) {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), 150);
    return () => clearTimeout(timer);
  }, []);
  if (!shown) return null;
  return (
    <div className="skeleton" role="status">
      <span className="hidden">Loading</span>
      {Array.from({ length: rows }, (_, row) => row + 1).map((row) => (
        <div key={row} style={{ width: `${90 - ((row * 17) % 45)}%` }} />
      ))}
    </div>
  );
}

/** What would be here, and what fills it. */
export function Empty({ children, action }: { readonly children: ReactNode; readonly action?: ReactNode }) {
  return (
    <div className="empty">
      <p>{children}</p>
      {action}
    </div>
  );
}

export function ErrorBox({ error, onRetry }: { readonly error: ApiError; readonly onRetry?: () => void }) {
  return (
    <div className="notice bad" role="alert">
      <Icon name="bad" />
      <div>
        <p>
          <b>{error.message}</b> <span className="code">{error.code}</span>
        </p>
        {error.fix && <p>{error.fix}</p>}
        {error.problems && error.problems.length > 0 && (
          <ul>
            {error.problems.map((problem) => (
              <li key={`${problem.code}${problem.path}${problem.line}`}>
                {problem.line ? `Line ${problem.line}: ` : ''}
                {problem.path && <span className="mono">{problem.path} </span>}
                {problem.message}. {problem.fix}
              </li>
            ))}
          </ul>
        )}
      </div>
      {onRetry && <Button onClick={onRetry}>Try again</Button>}
    </div>
  );
}

/** The states of one question: loading, failed without data, or its content (kept while it is asked again). */
export function Loaded<T>({
  answer,
  rows,
  children,
}: {
  readonly answer: { readonly data: T | undefined; readonly error: ApiError | undefined; readonly reload: () => void };
  readonly rows?: number;
  readonly children: (data: T) => ReactNode;
}) {
  const { data, error, reload } = answer;
  if (data === undefined) return error ? <ErrorBox error={error} onRetry={reload} /> : <Skeleton rows={rows} />;
  return (
    <>
      {error && error.code !== 'offline' && <ErrorBox error={error} onRetry={reload} />}
      {children(data)}
    </>
  );
}

import { useId, useState } from 'react';
import { IconButton } from './button.tsx';
import { Icon } from './icon.tsx';

/** Copies text and says so. */
export function Copy({ text, label = 'Copy' }: { readonly text: string; readonly label?: string }) {
  const [done, setDone] = useState(false);
  const copy = () => {
    void navigator.clipboard.writeText(text).then(() => {
      setDone(true);
      setTimeout(() => setDone(false), 1500);
    });
  };
  return (
    <>
      <IconButton label={done ? 'Copied' : label} icon={done ? 'ok' : 'copy'} onClick={copy} />
      <span className="hidden" role="status">
        {done ? 'Copied' : ''}
      </span>
    </>
  );
}

/** A small button that copies what `text` gives at that moment, and says so. */
export function CopyLater({ label, text, children }: { readonly label: string; readonly text: () => string; readonly children: string }) {
  const [done, setDone] = useState(false);
  const copy = () => {
    void navigator.clipboard.writeText(text()).then(() => {
      setDone(true);
      setTimeout(() => setDone(false), 1500);
    });
  };
  return (
    <button type="button" className="button quiet small" onClick={copy} aria-label={done ? 'Copied' : label} title={label}>
      <Icon name={done ? 'ok' : 'copy'} size={12} />
      {children}
    </button>
  );
}

/** Shows the command lines that give what the view gives. */
export function Commands({ lines }: { readonly lines: readonly string[] }) {
  const id = useId();
  return (
    <>
      <button type="button" className="button quiet" popoverTarget={id}>
        <Icon name="command" size={14} />
        Show command
      </button>
      <div id={id} popover="auto" className="commands">
        <p className="muted">The same in a terminal:</p>
        {lines.map((line) => (
          <div key={line} className="command-line">
            <code>{line}</code>
            <Copy text={line} label="Copy command" />
          </div>
        ))}
      </div>
    </>
  );
}

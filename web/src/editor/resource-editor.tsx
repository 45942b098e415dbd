import { useEffect, useState } from 'react';
import type { ApiError, ObjectRef, ProblemView, ResourceView, WriteAnswer } from '#server/api.ts';
import { errorOf, request } from '../state/api.ts';
import { go, hrefTo, objectHref } from '../state/location.ts';
import { useQuery } from '../state/query.ts';
import { useWritable } from '../state/session.ts';
import { noteWrite, resourcePath } from '../state/writes.ts';
import { Button } from '../ui/button.tsx';
import { Copy } from '../ui/command.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { Diff } from '../ui/diff.tsx';
import { ObjectLink } from '../ui/link.tsx';
import { ScrollBox } from '../ui/scroll-box.tsx';
import { Empty, ErrorBox, Loaded } from '../ui/states.tsx';
import { Status } from '../ui/status.tsx';
import { YamlEditor } from './yaml-editor.tsx';

export default function ResourceEditor(props: { readonly object: ObjectRef } | { readonly template: string }) {
  return 'object' in props ? <Existing object={props.object} /> : <Editing text={props.template} resourceVersion="" problems={[]} />;
}

function Existing({ object }: { readonly object: ObjectRef }) {
  const answer = useQuery<ResourceView>(resourcePath(object));
  if (answer.error?.code === 'not_found') return <Empty>{`${object.kind} ${object.name} does not exist (any more).`}</Empty>;
  return (
    <Loaded answer={answer} rows={14}>
      {(view) => (
        <>
          <Editing text={view.yaml} resourceVersion={view.resourceVersion} problems={view.problems} object={view.ref} />
          {view.status && (
            <details className="status-yaml">
              <summary>Status</summary>
              <ScrollBox look="code-block" label="Status as YAML">
                {view.status}
              </ScrollBox>
            </details>
          )}
        </>
      )}
    </Loaded>
  );
}

interface EditingProps {
  readonly text: string;
  readonly resourceVersion: string;
  readonly problems: readonly ProblemView[];
  readonly object?: ObjectRef;
}

/** The text as it is being changed. A change by someone else meanwhile is told, never overwritten silently. */
function Editing({ text, resourceVersion, problems, object }: EditingProps) {
  const writable = useWritable();
  const [base, setBase] = useState({ text, resourceVersion });
  const [draft, setDraft] = useState(text);
  const [preview, setPreview] = useState<WriteAnswer>();
  const [error, setError] = useState<ApiError>();
  const [deleting, setDeleting] = useState(false);
  const changed = draft !== base.text || !object;
  const moved = base.resourceVersion !== resourceVersion;

  // Somebody else's change is taken over as long as nothing was typed.
  useEffect(() => {
    if (!moved) return;
    // Often only the status moved on: what is being typed still stands on the same text.
    if (text !== base.text && draft !== base.text) return;
    setBase({ text, resourceVersion });
    if (draft === base.text) setDraft(text);
  }, [moved, draft, base.text, text, resourceVersion]);

  const takeTheirs = () => {
    setBase({ text, resourceVersion });
    setDraft(text);
    setError(undefined);
  };
  const send = (dryRun: boolean) =>
    request<WriteAnswer>('POST', '/resources', {
      yaml: draft,
      dryRun,
      ...(base.resourceVersion ? { resourceVersion: base.resourceVersion } : {}),
    });
  const review = () => {
    if (!writable || !changed) return;
    setError(undefined);
    send(true)
      .then(setPreview)
      .catch((thrown: unknown) => setError(errorOf(thrown)));
  };
  const apply = () => {
    setPreview(undefined);
    send(false)
      .then((answer) => {
        noteWrite(answer);
        const [change] = answer.changes;
        if (!change) return;
        if (!object) return go(objectHref(change.ref));
        setBase({ text: change.after, resourceVersion: change.resourceVersion });
        setDraft(change.after);
      })
      .catch((thrown: unknown) => setError(errorOf(thrown)));
  };
  const marks = error?.problems ?? (changed ? [] : problems);
  return (
    <>
      {moved && text !== base.text && draft !== base.text && (
        <div className="notice warn" role="alert">
          <p>The object was changed by someone else while you were editing.</p>
          <Button onClick={takeTheirs}>Discard mine, show theirs</Button>
        </div>
      )}
      {!changed && problems.length > 0 && (
        <ul className="problems">
          {problems.map((problem) => (
            <li key={`${problem.code}${problem.path}`}>
              <Status tone={problem.severity === 'error' ? 'bad' : problem.severity === 'warning' ? 'warn' : 'info'}>
                {problem.severity}
              </Status>
              <span>
                {problem.message} <span className="mono muted">{problem.path}</span> <b>Fix:</b> {problem.fix}{' '}
                <span className="code">{problem.code}</span>
              </span>
            </li>
          ))}
        </ul>
      )}
      {error && <ErrorBox error={error} />}
      <div className="row editor-actions">
        <Button look="primary" onClick={review} disabled={!writable || !changed} title={writable ? 'Ctrl S' : 'Unlock the page to write'}>
          Review changes
        </Button>
        <Button onClick={() => setDraft(base.text)} disabled={draft === base.text}>
          Discard
        </Button>
        <Copy text={draft} label="Copy as YAML" />
        {object && (
          <Button look="danger" onClick={() => setDeleting(true)} disabled={!writable}>
            Delete
          </Button>
        )}
        {writable === false && <span className="muted">Read only: unlock the page to write.</span>}
      </div>
      <YamlEditor text={draft} readOnly={writable === false} problems={marks} onChange={setDraft} onSave={review} />
      {preview && (
        <Dialog title="Review changes" wide onClose={() => setPreview(undefined)}>
          {preview.changes.map((change) => (
            <section key={`${change.ref.kind}${change.ref.name}`}>
              <p>
                {change.action} <ObjectLink object={change.ref} />
              </p>
              <Diff before={change.before} after={change.after} label={`Difference of ${change.ref.name}`} />
            </section>
          ))}
          {preview.warnings.map((warning) => (
            <p key={warning}>
              <Status tone="warn">{warning}</Status>
            </p>
          ))}
          <div className="row">
            <Button look="primary" onClick={apply} disabled={preview.changes.every((change) => change.action === 'unchanged')}>
              Apply
            </Button>
            <Button onClick={() => setPreview(undefined)}>Keep editing</Button>
          </div>
        </Dialog>
      )}
      {deleting && object && <Deletion object={object} onClose={() => setDeleting(false)} onError={setError} />}
    </>
  );
}

function Deletion({
  object,
  onClose,
  onError,
}: {
  readonly object: ObjectRef;
  readonly onClose: () => void;
  readonly onError: (error: ApiError) => void;
}) {
  const remove = () => {
    onClose();
    request<WriteAnswer>('DELETE', resourcePath(object))
      .then((answer) => {
        noteWrite(answer);
        go(hrefTo(`/config/${object.kind}`));
      })
      .catch((thrown: unknown) => onError(errorOf(thrown)));
  };
  return (
    <Dialog title={`Delete ${object.kind} ${object.name}?`} onClose={onClose}>
      <p>Proxies stop using it at once. It can be taken back afterwards from the bar below.</p>
      <div className="row">
        <Button look="danger" onClick={remove}>
          Delete
        </Button>
        <Button onClick={onClose}>Keep it</Button>
      </div>
    </Dialog>
  );
}

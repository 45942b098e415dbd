import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language';
import { type Diagnostic, lintGutter, lintKeymap, setDiagnostics } from '@codemirror/lint';
import { EditorState } from '@codemirror/state';
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { useEffect, useRef } from 'react';
import type { ProblemView } from '#server/api.ts';

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--accent)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--ok)' },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: 'var(--series-3)' },
  { tag: tags.comment, color: 'var(--muted)' },
  { tag: [tags.punctuation, tags.separator, tags.meta], color: 'var(--muted)' },
]);

const look = EditorView.theme({
  '&': { fontSize: '13px', backgroundColor: 'var(--surface)', color: 'var(--text)' },
  '.cm-content': { fontFamily: 'var(--mono)', caretColor: 'var(--text)' },
  '.cm-gutters': { backgroundColor: 'var(--sunken)', color: 'var(--muted)', border: 'none', fontFamily: 'var(--mono)' },
  '.cm-activeLine': { backgroundColor: 'color-mix(in srgb, var(--accent) 7%, transparent)' },
  '.cm-activeLineGutter': { backgroundColor: 'transparent', color: 'var(--text)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'var(--accent-soft) !important' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '.cm-tooltip': { backgroundColor: 'var(--raised)', border: '1px solid var(--line)', borderRadius: '6px', color: 'var(--text)' },
  '.cm-diagnostic-error': { borderLeftColor: 'var(--bad)' },
});

export interface YamlEditorProps {
  /** A new value replaces what is in the editor. */
  readonly text: string;
  readonly readOnly: boolean;
  readonly problems: readonly ProblemView[];
  readonly onChange: (text: string) => void;
  /** Ctrl S or Cmd S. */
  readonly onSave: () => void;
}

/** A text editor for YAML whose problems are marked at their lines. Tab leaves it, so that the keyboard is not trapped. */
export function YamlEditor({ text, readOnly, problems, onChange, onSave }: YamlEditorProps) {
  const frame = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(undefined);
  const handlers = useRef({ onChange, onSave });
  handlers.current = { onChange, onSave };

  // biome-ignore lint/correctness/useExhaustiveDependencies: a changed text is put in by the next effect
  useEffect(() => {
    if (!frame.current) return;
    const made = new EditorView({
      parent: frame.current,
      state: EditorState.create({
        doc: text,
        extensions: [
          lineNumbers(),
          history(),
          drawSelection(),
          indentOnInput(),
          bracketMatching(),
          highlightActiveLine(),
          yaml(),
          syntaxHighlighting(colours),
          lintGutter(),
          look,
          EditorView.contentAttributes.of({ 'aria-label': 'YAML' }),
          EditorState.readOnly.of(readOnly),
          keymap.of([
            {
              key: 'Mod-s',
              preventDefault: true,
              run: () => {
                handlers.current.onSave();
                return true;
              },
            },
            ...defaultKeymap,
            ...historyKeymap,
            ...lintKeymap,
          ]),
          EditorView.updateListener.of((update) => update.docChanged && handlers.current.onChange(update.state.doc.toString())),
        ],
      }),
    });
    view.current = made;
    return () => made.destroy();
  }, [readOnly]);

  useEffect(() => {
    const { current } = view;
    if (!current || current.state.doc.toString() === text) return;
    current.dispatch({ changes: { from: 0, to: current.state.doc.length, insert: text } });
  }, [text]);

  useEffect(() => {
    const { current } = view;
    if (current) current.dispatch(setDiagnostics(current.state, diagnostics(current.state, problems)));
  }, [problems]);

  return <div ref={frame} className="yaml-editor" />;
}

function diagnostics(state: EditorState, problems: readonly ProblemView[]): Diagnostic[] {
  return problems.map((problem) => {
    const number = problem.line ?? lineOf(state, problem.path);
    const line = state.doc.line(Math.max(1, Math.min(number, state.doc.lines)));
    const from = line.from + (line.text.length - line.text.trimStart().length);
    return {
      from,
      to: Math.max(from, line.to),
      severity: problem.severity,
      message: `${problem.code}: ${problem.message}. ${problem.fix}`,
    };
  });
}

/** The line of a field, found by its last name when the server did not say which; else the first. */
function lineOf(state: EditorState, path: string): number {
  const name = /([A-Za-z][\w-]*)(\[\d+\])?$/.exec(path)?.[1];
  if (!name) return 1;
  for (let number = 1; number <= state.doc.lines; number++) {
    if (state.doc.line(number).text.trimStart().replace(/^- /, '').startsWith(`${name}:`)) return number;
  }
  return 1;
}

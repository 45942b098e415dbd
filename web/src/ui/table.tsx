import { type ReactNode, useEffect, useMemo, useRef, useState } from 'react';
import { setParams, usePlace } from '../state/location.ts';
import { CopyLater } from './command.tsx';
import { csvOf } from './csv.ts';
import { Icon } from './icon.tsx';

export interface Column<Row> {
  readonly key: string;
  readonly title: string;
  readonly cell: (row: Row) => ReactNode;
  /** What the column sorts by; without it the column does not sort. Numbers go from large to small first. */
  readonly sort?: (row: Row) => string | number;
  /** What is copied, as data; `sort` when not given. A table is offered for copying when all its columns have one. */
  readonly value?: (row: Row) => string | number | null;
  readonly right?: boolean;
  /** Takes the space that is left and cuts long text. */
  readonly wide?: boolean;
}

export interface TableProps<Row> {
  /** Names the table for screen readers and its parameters in the URL. */
  readonly name: string;
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
  readonly columns: readonly Column<Row>[];
  readonly empty: ReactNode;
}

const rowHeight = 28;
const spare = 20;

/**
 * A table whose order is in the URL and changes only when asked: rows do not jump when live numbers change. Only the
 * rows near the screen are in the document.
 */
export function Table<Row>({ name, rows, rowKey, columns, empty }: TableProps<Row>) {
  const { params } = usePlace();
  const [sortKey = '', direction = ''] = (params.get('sort') ?? '').split(':');
  const column = columns.find((candidate) => candidate.key === sortKey);
  const order = useOrder(rows, rowKey, column, direction === 'up' ? 1 : -1);
  const body = useRef<HTMLTableSectionElement>(null);
  const [first, last] = useVisible(body, order.length);
  if (!rows.length) return <>{empty}</>;

  const toggle = (key: string) => setParams({ sort: key === sortKey && direction !== 'up' ? `${key}:up` : `${key}:down` });
  return (
    <div className="table-frame">
      {rows.length > 1 && columns.every((candidate) => candidate.value ?? candidate.sort) && <CopyRows rows={order} columns={columns} />}
      <table aria-label={name} aria-rowcount={order.length + 1}>
        <thead>
          <tr>
            {columns.map(({ key, title, sort, right, wide }) => (
              <th
                key={key}
                scope="col"
                className={`${right ? 'right' : ''} ${wide ? 'wide' : ''}`}
                aria-sort={key !== sortKey ? undefined : direction === 'up' ? 'ascending' : 'descending'}
              >
                {sort ? (
                  <button type="button" onClick={() => toggle(key)}>
                    {title}
                    {key === sortKey && <Icon name={direction === 'up' ? 'up' : 'down'} size={12} />}
                  </button>
                ) : (
                  title
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {first > 0 && <tr className="spare" style={{ height: first * rowHeight }} />}
          {order.slice(first, last).map((row, index) => (
            <tr key={rowKey(row)} aria-rowindex={first + index + 2}>
              {columns.map(({ key, cell, right, wide }) => (
                <td key={key} className={`${right ? 'right' : ''} ${wide ? 'wide' : ''}`}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
          {last < order.length && <tr className="spare" style={{ height: (order.length - last) * rowHeight }} />}
        </tbody>
      </table>
    </div>
  );
}

/** Copies all rows in the order shown, with the numbers of this moment. */
function CopyRows<Row>({ rows, columns }: { readonly rows: readonly Row[]; readonly columns: readonly Column<Row>[] }) {
  const values = () =>
    rows.map((row) =>
      Object.fromEntries(columns.map(({ key, value, sort }) => [key, value?.(row) ?? (value ? null : (sort?.(row) ?? null))])),
    );
  return (
    <div className="table-copy">
      <CopyLater
        label="Copy as CSV"
        text={() =>
          csvOf(
            columns.map(({ key }) => key),
            values(),
          )
        }
      >
        CSV
      </CopyLater>
      <CopyLater label="Copy as JSON" text={() => JSON.stringify(values(), null, 2)}>
        JSON
      </CopyLater>
    </div>
  );
}

/** Rows in order. Sorted anew when rows come or go or the user asks, not when a value changes. */
function useOrder<Row>(rows: readonly Row[], rowKey: (row: Row) => string, column: Column<Row> | undefined, sign: number): readonly Row[] {
  const members = rows.map(rowKey).join('\n');
  // biome-ignore lint/correctness/useExhaustiveDependencies: values of rows must not reorder them
  const ranks = useMemo(() => {
    const by = column?.sort;
    if (!by) return undefined;
    const sorted = rows
      .map((row) => ({ key: rowKey(row), value: by(row) }))
      .sort((a, b) => sign * compare(a.value, b.value) || compare(a.key, b.key));
    return new Map(sorted.map(({ key }, index) => [key, index]));
  }, [members, column?.key, sign]);
  return ranks ? [...rows].sort((a, b) => (ranks.get(rowKey(a)) ?? 0) - (ranks.get(rowKey(b)) ?? 0)) : rows;
}

function compare(a: string | number, b: string | number): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return -String(a).localeCompare(String(b));
}

function useVisible(body: React.RefObject<HTMLTableSectionElement | null>, count: number): readonly [number, number] {
  const [range, setRange] = useState<readonly [number, number]>([0, Math.min(count, 80)]);
  useEffect(() => {
    const scroller = document.querySelector('main');
    if (!scroller || count <= 100) {
      setRange([0, count]);
      return;
    }
    const measure = () => {
      const top = -(body.current?.getBoundingClientRect().top ?? 0);
      const first = Math.max(0, Math.floor(top / rowHeight) - spare);
      const last = Math.min(count, Math.ceil((top + window.innerHeight) / rowHeight) + spare);
      setRange((held) => (held[0] === first && held[1] === last ? held : [first, last]));
    };
    measure();
    scroller.addEventListener('scroll', measure, { passive: true });
    window.addEventListener('resize', measure);
    return () => {
      scroller.removeEventListener('scroll', measure);
      window.removeEventListener('resize', measure);
    };
  }, [body, count]);
  return range;
}

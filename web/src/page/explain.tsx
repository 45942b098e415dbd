import { type FormEvent, useState } from 'react';
import type { ApiError, ExplainAnswer } from '#server/api.ts';
import { clusterWords, withClusterWords } from '../format.ts';
import { errorOf, request } from '../state/api.ts';
import { setParams, usePlace } from '../state/location.ts';
import { Button } from '../ui/button.tsx';
import { Copy } from '../ui/command.tsx';
import { OriginLink } from '../ui/link.tsx';
import { ErrorBox } from '../ui/states.tsx';
import { Status } from '../ui/status.tsx';

const verdicts = { matched: ['ok', 'matched'], missed: ['unknown', 'missed'], applied: ['info', 'applied'] } as const;

/** Where a request of this workload would go: each rule that matched or missed, and where it stands. The question is in the URL. */
export function Explain({ from }: { readonly from: string }) {
  const { params } = usePlace();
  const [answer, setAnswer] = useState<ExplainAnswer>();
  const [error, setError] = useState<ApiError>();
  const to = params.get('to') ?? 'reviews:9080';
  const path = params.get('path') ?? '/';
  const method = params.get('method') ?? 'GET';
  const headers = params.get('headers') ?? '';
  const ask = (event: FormEvent) => {
    event.preventDefault();
    setError(undefined);
    const [host = '', port = '80'] = to.split(':');
    const list = headers.split(',').filter((header) => header.includes('='));
    const question = {
      from,
      host,
      port: Number(port),
      method,
      path,
      headers: Object.fromEntries(
        list.map((header) => [header.slice(0, header.indexOf('=')).trim(), header.slice(header.indexOf('=') + 1).trim()]),
      ),
    };
    request<ExplainAnswer>('POST', '/explain', question)
      .then(setAnswer)
      .catch((thrown: unknown) => {
        setAnswer(undefined);
        setError(errorOf(thrown));
      });
  };
  const flags = headers
    .split(',')
    .filter(Boolean)
    .map((header) => ` -H ${header.trim()}`)
    .join('');
  const command = `meshwright explain request --from ${from.split('/').at(-1)} --to ${to} --path ${path}${method === 'GET' ? '' : ` --method ${method}`}${flags}`;
  const field = (name: string, label: string, value: string, hint: string) => (
    <label className="field">
      <span>{label}</span>
      <input className="mono" value={value} placeholder={hint} onChange={(event) => setParams({ [name]: event.target.value })} />
    </label>
  );
  return (
    <>
      <form className="explain-form" onSubmit={ask}>
        {field('method', 'Method', method, 'GET')}
        {field('to', 'To (host:port)', to, 'reviews:9080')}
        {field('path', 'Path', path, '/')}
        {field('headers', 'Headers', headers, 'end-user=jason, x=y')}
        <Button look="primary" submit>
          Explain
        </Button>
      </form>
      <p className="command-line">
        <code>{command}</code>
        <Copy text={command} label="Copy command" />
      </p>
      {error && <ErrorBox error={error} />}
      {answer && (
        <section aria-label="Answer" className="explain-answer">
          <h3>
            <Status tone={answer.outcome === 'refused' ? 'bad' : answer.outcome === 'answered' ? 'info' : 'ok'}>{answer.outcome}</Status>{' '}
            <span title={answer.summary}>{withClusterWords(answer.summary)}</span>
          </h3>
          <ol>
            {answer.steps.map((step) => {
              const [tone, word] = verdicts[step.verdict];
              return (
                <li key={`${step.what}${step.name}${step.reason}${step.origin?.text}`} className={step.verdict}>
                  <Status tone={tone} icon={step.verdict === 'missed' ? 'idle' : tone}>
                    {word}
                  </Status>
                  <span>
                    {step.what}{' '}
                    <b className="mono" title={step.name}>
                      {clusterWords(step.name)}
                    </b>
                    : <span title={step.reason}>{withClusterWords(step.reason)}</span>
                    {step.origin && (
                      <span className="origin">
                        <OriginLink origin={step.origin} />
                      </span>
                    )}
                  </span>
                </li>
              );
            })}
          </ol>
          {answer.destinations.length > 0 && (
            <table aria-label="Destinations">
              <thead>
                <tr>
                  <th scope="col" className="right">
                    Share
                  </th>
                  <th scope="col">Cluster</th>
                  <th scope="col">Endpoints</th>
                </tr>
              </thead>
              <tbody>
                {answer.destinations.map((destination) => (
                  <tr key={destination.cluster}>
                    <td className="right number">{destination.weightPercent} %</td>
                    <td className="mono" title={destination.cluster}>
                      {clusterWords(destination.cluster)}
                    </td>
                    <td className="mono">{destination.endpoints.join(', ')}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </section>
      )}
    </>
  );
}

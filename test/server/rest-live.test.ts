/** Streams: changes over the WebSocket, live requests as NDJSON. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { LiveMessage, Overview, TapRecord } from '#server/api.ts';
import { openStage, type Stage, token } from './stage.ts';

type Of<T extends LiveMessage['type']> = Extract<LiveMessage, { type: T }>;

describe('streams', () => {
  let stage: Stage;
  let sockets: WebSocket[];
  beforeEach(async () => {
    stage = await openStage();
    sockets = [];
  });
  afterEach(async () => {
    for (const socket of sockets) socket.close();
    await stage.server.close();
  });

  /** Messages of a connection; `until` advances the clock until one of the type is there. */
  async function connect(topics?: string) {
    const socket = new WebSocket(`${stage.server.url.replace('http', 'ws')}/api/v1/live${topics === undefined ? '' : `?topics=${topics}`}`);
    sockets.push(socket);
    const messages: LiveMessage[] = [];
    let wake = () => {};
    socket.onmessage = ({ data }) => {
      messages.push(JSON.parse(String(data)));
      wake();
    };
    const until = async <T extends LiveMessage['type']>(type: T, accept: (message: Of<T>) => boolean = () => true): Promise<Of<T>> => {
      for (;;) {
        const found = messages.find((message): message is Of<T> => message.type === type && accept(message as Of<T>));
        if (found) return found;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    };
    await until('hello');
    return { socket, messages, until };
  }

  it('tell changes only, numbered, and an answer says which it contains', async () => {
    await stage.clock.advance(12_000);
    const { messages, until } = await connect();
    const overview = (await stage.ask('GET', '/api/v1/overview')).body as Overview;
    await stage.write('DELETE', '/api/v1/resources/VirtualService/default/reviews');
    const { changes } = await until('resources');
    assert.deepEqual([changes[0]?.type, changes[0]?.ref.name], ['deleted', 'reviews']);
    assert.equal((await until('mesh')).shape, true);
    await stage.clock.advance(8_000);
    const traffic = await until('traffic', (message) => 'workload/default/reviews-v2' in message.set);
    assert.ok((traffic.set['workload/default/reviews-v2']?.rps ?? 0) > 0, 'without the rule all versions get requests');
    assert.ok(traffic.seq > overview.seq);
    const steady = messages
      .filter((message): message is Of<'traffic'> => message.type === 'traffic')
      .every((message) => !('service/default/details' in message.set));
    assert.ok(steady, 'what did not change is not sent');
    const seqs = messages.map((message) => message.seq);
    assert.deepEqual(
      seqs,
      seqs.toSorted((a, b) => a - b),
    );
  });

  it('tell findings as they come and go', async () => {
    const { until } = await connect('findings');
    stage.mesh.rejectPushes('details-v1', 'no such cluster');
    await stage.clock.advance(1_100);
    const came = await until('findings', (message) => message.set.some((finding) => finding.code === 'proxy_rejected'));
    const { id = '' } = came.set.find((finding) => finding.code === 'proxy_rejected') ?? {};
    stage.mesh.rejectPushes('details-v1', undefined);
    await stage.clock.advance(1_100);
    assert.ok((await until('findings', (message) => message.gone.includes(id))).gone.includes(id));
  });

  it('tell only the topics that are wanted, and others when told so', async () => {
    const { socket, messages, until } = await connect('proxies');
    await stage.clock.advance(4_000);
    socket.send('edges');
    // When the server has read the message is not to be seen from here: so there are changes until it has.
    for (let turn = 0; turn < 400 && !messages.some((message) => message.type === 'traffic'); turn++) {
      stage.mesh.breakAgent('productpage-v1', turn % 20 < 10 ? 'dead' : 'well');
      await stage.clock.advance(1_000);
    }
    const { set } = await until('traffic');
    assert.ok(
      Object.keys(set).every((key) => key.includes('>')),
      Object.keys(set).join(),
    );
    assert.ok(!messages.some((message) => message.type === 'findings'));
  });

  it('show live requests to holders of the token, one agent or all of a service', async () => {
    await stage.clock.advance(1_000);
    const stop = new AbortController();
    const answer = await fetch(`${stage.server.url}/api/v1/tap?service=service/default/reviews`, {
      headers: { authorization: `Bearer ${token}` },
      signal: stop.signal,
    });
    assert.equal(answer.headers.get('content-type'), 'application/x-ndjson');
    const records: TapRecord[] = [];
    let text = '';
    for await (const part of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += part;
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      records.push(...lines.map((line) => JSON.parse(line) as TapRecord));
      if (records.length >= 3) break;
    }
    stop.abort();
    assert.deepEqual([...new Set(records.map((record) => record.source))].sort(), ['reviews-v1', 'reviews-v2', 'reviews-v3']);
    const [{ method, path, status, durationMs, origin, at } = assert.fail()] = records;
    assert.deepEqual([method, path, status, durationMs, at], ['GET', '/reviews/0', 200, 4, stage.clock.now()]);
    assert.match(origin, /VirtualService default\/reviews/);
  });

  it('refuse a tap that nobody can answer, and too many', async () => {
    assert.equal((await stage.write('POST', '/api/v1/tap')).status, 404);
    const headers = { authorization: `Bearer ${token}` };
    const none = await stage.ask('GET', '/api/v1/tap?workload=workload/default/nobody', { headers });
    assert.equal(none.status, 404, none.text);
    const open = await Promise.all(Array.from({ length: 8 }, () => fetch(`${stage.server.url}/api/v1/tap`, { headers })));
    const ninth = await fetch(`${stage.server.url}/api/v1/tap`, { headers });
    assert.equal(ninth.status, 429);
    await Promise.all(open.map((answer) => answer.body?.cancel()));
  });
});

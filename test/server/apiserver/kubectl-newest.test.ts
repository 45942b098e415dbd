/** The suite of kubectl.test.ts once more, with the newest client beside the one of the machine. */
import { test } from 'node:test';
import { needPeer, peerPath } from '../../support/peers.ts';

const newest = peerPath('kubectl-1.34');
if (newest) {
  process.env.MESHWRIGHT_PEER_KUBECTL = newest;
  await import('./kubectl.test.ts');
} else {
  test('the newest kubectl', (t) => void needPeer(t, 'kubectl-1.34'));
}

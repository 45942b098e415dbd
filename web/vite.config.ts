import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

/** Where `vite` (development) finds the server; `test/support/serve-fake-mesh.ts` listens there. */
const serverUrl = 'http://127.0.0.1:16481';

/** Pages of the development server pass as the server's own: it refuses foreign origins. */
const asOwnOrigin = { target: serverUrl, changeOrigin: true, ws: true, headers: { origin: serverUrl } };

/** Writes `.gz` beside everything worth compressing, which the server then sends as it is. */
function precompress(): Plugin {
  return {
    name: 'precompress',
    apply: 'build',
    // Not earlier: until the files are written, other plugins still change them.
    writeBundle({ dir = '' }, bundle) {
      for (const fileName of Object.keys(bundle)) {
        if (!/\.(js|css|svg)$/.test(fileName)) continue;
        const path = join(dir, fileName);
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path)));
      }
    },
  };
}

export default defineConfig({
  plugins: [react(), precompress()],
  // The one alias: rooms of the main package by the same `#` names. Only types are taken from there.
  resolve: { alias: [{ find: /^#server\//, replacement: fileURLToPath(new URL('../src/management-plane/server/', import.meta.url)) }] },
  build: {
    target: ['chrome123', 'firefox125', 'safari17.5'],
    reportCompressedSize: false,
    chunkSizeWarningLimit: 700,
    modulePreload: { polyfill: false },
  },
  server: { host: '127.0.0.1', proxy: { '/api': asOwnOrigin } },
});

/** The real Envoy as a client of the discovery server under test. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface EnvoyProcess {
  /** GET on the admin port; the body. */
  admin(path: string): Promise<string>;
  stop(): Promise<void>;
}

export interface EnvoyOptions {
  readonly binary: string;
  readonly xdsPort: number;
  readonly protocol: 'delta' | 'sotw';
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly name: string;
}

/** Starts Envoy with nothing but the address of its control plane; resolves when its admin port answers. */
export async function startEnvoy(options: EnvoyOptions): Promise<EnvoyProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'mwx-'));
  const adminFile = join(folder, 'admin');
  const configFile = join(folder, 'envoy.json');
  writeFileSync(configFile, JSON.stringify(bootstrap(options)));
  const args = ['-c', configFile, '--disable-hot-restart', '--concurrency', '1', '--admin-address-path', adminFile, '-l', 'warn'];
  const child = spawn(options.binary, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => {
    output = `${output}${chunk}`.slice(-4000);
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async () => {
    child.kill('SIGKILL');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  const base = await adminAddress(adminFile, exited, () => output);
  return { admin: async (path) => await (await fetch(`http://${base}${path}`)).text(), stop };
}

async function adminAddress(file: string, exited: Promise<void>, output: () => string): Promise<string> {
  let gone = false;
  void exited.then(() => {
    gone = true;
  });
  for (let tries = 0; tries < 400 && !gone; tries++) {
    try {
      const address = readFileSync(file, 'utf8').trim();
      if (address !== '') return address;
    } catch {
      // Not written yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`Envoy did not start: ${output()}`);
}

function bootstrap(options: EnvoyOptions): unknown {
  const loopback = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const ads = { resource_api_version: 'V3', ads: {}, initial_fetch_timeout: '0s' };
  return {
    node: { id: `sidecar~127.0.0.1~${options.name}.default~default.svc.cluster.local`, cluster: options.name, metadata: options.metadata },
    admin: { address: loopback(0) },
    dynamic_resources: {
      lds_config: ads,
      cds_config: ads,
      ads_config: {
        api_type: options.protocol === 'delta' ? 'DELTA_GRPC' : 'GRPC',
        transport_api_version: 'V3',
        set_node_on_first_message_only: true,
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
      },
    },
    static_resources: {
      clusters: [
        {
          name: 'xds-grpc',
          type: 'STATIC',
          connect_timeout: '1s',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'xds-grpc',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: loopback(options.xdsPort) } }] }],
          },
        },
      ],
    },
  };
}

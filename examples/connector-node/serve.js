'use strict';
// The connector's side of the pipe: HashiCorp go-plugin's handshake, and ConnectorService over gRPC. Nothing here knows a vendor.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const protoLoader = require('@grpc/proto-loader');
const contract = require('./dist/contract.json');
const { selfSigned } = require('./certificate');
const { deliver } = require('./deliver');
const { Fault, toWire } = require('./fault');
const { parse } = require('./schema');

const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });

const COOKIE = ['HERMOD_CONNECTOR', 'd1c6a1c2-hermod-connector'];
const VERSION = 1; // of the contract in proto/hermod/connector/v1
const MAX_FRAME = 16 << 20; // bytes

// serve runs a connector as this process, until the engine lets it go or is gone itself.
//
// connector is { description, concurrency, operations, open(config, env) }; what open returns is an account with
// send(delivery, signal), receive(request) and close(), and operations[name](account, input, signal) run operations.
async function serve(connector) {
  const d = connector.description;
  if (process.env[COOKIE[0]] !== COOKIE[1]) {
    process.stderr.write(`${d.name} ${d.version} is a connector for Hermod. An engine starts it: put this program into the engine's plugins folder.\n`);
    process.exit(2);
  }
  // The engine decides when its connectors end: a signal sent to the whole process group must not come first.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
  if (process.env.HERMOD_PARENT_STDIN === '1') process.stdin.on('end', () => process.exit(0)).resume();

  const server = new grpc.Server({ 'grpc.max_receive_message_length': MAX_FRAME, 'grpc.max_send_message_length': MAX_FRAME });
  const accounts = new Map();
  const loaded = grpc.loadPackageDefinition(protoLoader.fromJSON(contract, { longs: String, enums: String, defaults: true, keepCase: false }));
  server.addService(loaded.hermod.connector.v1.ConnectorService.service, service(connector, accounts));
  server.addService(loaded.grpc.health.v1.Health.service, { Check: (_, reply) => reply(null, { status: 'SERVING' }) });
  server.addService(loaded.plugin.GRPCController.service, {
    Shutdown: (_, reply) => {
      reply(null, {});
      const closed = Promise.allSettled([...accounts.values()].map(async (account) => account.close?.()));
      Promise.race([closed, sleep(1500)]).then(() => sleep(50)).then(() => process.exit(0)); // the reply has to get out first
    },
  });
  const { credentials, certificate } = security();
  const where = address();
  const port = await new Promise((resolve, reject) => {
    server.bindAsync(where.target, credentials, (err, bound) => (err ? reject(err) : resolve(bound)));
  });
  const at = where.network === 'unix' ? where.path : `127.0.0.1:${port}`;
  process.stdout.write(`1|${VERSION}|${where.network}|${at}|grpc|${certificate}\n`);
}

// address is a socket in the folder that the engine names; Windows has TCP on loopback instead.
function address() {
  if (process.platform === 'win32') return { network: 'tcp', target: '127.0.0.1:0' };
  const dir = fs.mkdtempSync(path.join(process.env.PLUGIN_UNIX_SOCKET_DIR || os.tmpdir(), 'node'));
  const file = path.join(dir, 's');
  process.on('exit', () => fs.rmSync(dir, { recursive: true, force: true }));
  return { network: 'unix', path: file, target: `unix:${file}` };
}

// security answers the engine's one-time certificate with one of our own: from then on each side knows the other.
function security() {
  const engine = process.env.PLUGIN_CLIENT_CERT;
  if (!engine) return { credentials: grpc.ServerCredentials.createInsecure(), certificate: '' };
  const own = selfSigned();
  const pair = [{ private_key: Buffer.from(own.key), cert_chain: Buffer.from(own.cert) }];
  return {
    credentials: grpc.ServerCredentials.createSsl(Buffer.from(engine), pair, true),
    certificate: own.der.toString('base64').replace(/=+$/, ''), // Go's RawStdEncoding
  };
}

// service holds ConnectorService's methods. What fails is a fault in the response, never a gRPC status, but for calls of
// accounts that are not open.
function service(connector, accounts) {
  let last = 0;
  const find = (handle) => {
    const account = accounts.get(String(handle));
    if (!account) throw Object.assign(new Error('no account is open under this handle'), { code: grpc.status.NOT_FOUND });
    return account;
  };
  // unary makes a handler of an async function of the request and of a signal that ends with the call.
  const unary = (call, handle) => {
    const ended = new AbortController();
    call.on('cancelled', () => ended.abort());
    return handle(call.request, ended.signal);
  };
  const answering = (fn) => (call, reply) => {
    unary(call, fn).then((v) => reply(null, v), (err) => (err.code === grpc.status.NOT_FOUND ? reply(err) : reply(null, { fault: toWire(err) })));
  };
  return {
    Describe: (_, reply) => reply(null, describe(connector)),
    Ping: (_, reply) => reply(null, {}),
    Open: answering(async ({ account, config, webhookUrl }, signal) => {
      const settings = parse(config, connector.config, `configuration of account ${account}`, 'misconfigured', 'config_invalid');
      const opened = await connector.open(settings, { account, webhookURL: webhookUrl }, signal);
      accounts.set(String(++last), opened);
      return { handle: String(last) };
    }),
    Close: answering(async ({ handle }) => {
      const account = accounts.get(String(handle));
      accounts.delete(String(handle));
      await account?.close?.();
      return {};
    }),
    Deliver: (stream) => deliver(stream, find, connector.concurrency),
    Invoke: answering(async ({ handle, operation, input }, signal) => {
      const account = find(handle);
      const op = connector.operations[operation];
      if (!op) throw new Fault('unsupported', 'operation_unknown', 'this operation does not exist');
      const value = parse(input, op.input, `input of ${operation}`, 'content_rejected', 'input_invalid');
      return { output: Buffer.from(JSON.stringify(await op.run(account, value, signal))) };
    }),
    Receive: answering(async (request) => find(request.handle).receive(request)),
    Listen: (stream) => { stream.write({ ended: toWire(unsupported('listening')) }); stream.end(); },
    Query: answering(async ({ handle }) => { find(handle); throw unsupported('queries'); }),
  };
}

const unsupported = (what) => new Fault('unsupported', 'not_offered', `this connector does not offer ${what}`);

function describe(connector) {
  return {
    ...connector.description,
    configSchema: Buffer.from(JSON.stringify(connector.config)),
    limits: { concurrency: String(connector.concurrency) },
    operations: Object.entries(connector.operations).map(([name, op]) => ({
      name,
      summary: op.summary,
      endpoint: op.endpoint,
      mutates: op.mutates,
      inputSchema: Buffer.from(JSON.stringify(op.input)),
      outputSchema: Buffer.from(JSON.stringify(op.output)),
    })),
  };
}

module.exports = { serve };

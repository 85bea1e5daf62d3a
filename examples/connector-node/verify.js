'use strict';
// Runs `hermod connectors verify` on dist/hermod-pigeon with all that its checks need: the simulator, and webhooks that are signed
// now, for their signatures stay good for minutes only. What follows on the command line is passed on, such as --json.
//
// HERMOD names the command; without it, it is looked for on the PATH.

const path = require('node:path');
const { spawn } = require('node:child_process');
const { simulate, receipt, sign, TOKEN, SIGNING_KEY } = require('./simulate');

// webhook is a request that the vendor would make, as verify's input has it: headers hold lists, and the body is base64.
function webhook(at, event, status, headers) {
  const body = receipt(event, 'p1', 'm1/1', status, at);
  const header = Object.fromEntries(Object.entries({ ...sign(at, body), ...headers }).map(([name, value]) => [name, [value]]));
  return { method: 'POST', path: '/receipts', header, body: Buffer.from(body).toString('base64') };
}

function input(simulator) {
  const now = new Date();
  const old = new Date(now - 3600_000);
  return {
    config: { base_url: '${vendor}', token: TOKEN, signing_key: SIGNING_KEY },
    simulator,
    inputs: { 'balance.get': {} },
    webhooks: [
      { name: 'sent', request: webhook(now, 'e1', 'sent'), events: ['receipt'] },
      { name: 'delivered', request: webhook(now, 'e2', 'delivered'), events: ['receipt'] },
      { name: 'failed', request: webhook(now, 'e3', 'failed'), events: ['receipt'] },
      { name: 'queued', request: webhook(now, 'e4', 'queued') },
    ],
    forged: [webhook(now, 'e5', 'delivered', { 'X-Pigeon-Signature': '00' }), { ...webhook(now, 'e6', 'delivered'), header: {} }],
    stale: [webhook(old, 'e7', 'delivered')],
  };
}

async function main() {
  const simulator = await simulate();
  const hermod = process.env.HERMOD || 'hermod';
  const args = ['connectors', 'verify', path.join(__dirname, 'dist', 'hermod-pigeon'), '--input', '-', ...process.argv.slice(2)];
  const child = spawn(hermod, args, { stdio: ['pipe', 'inherit', 'inherit'] });
  child.stdin.on('error', () => {}); // the command ended early, and has said why
  child.stdin.end(JSON.stringify(input(simulator.url)));
  child.on('error', (err) => {
    process.stderr.write(`${hermod} cannot be started (${err.code}): put the hermod command on the PATH, or name it: HERMOD=path/to/hermod npm run verify\n`);
    process.exitCode = 3;
    simulator.close();
  });
  child.on('close', (code) => {
    process.exitCode ??= code ?? 1;
    simulator.close();
  });
}

main();

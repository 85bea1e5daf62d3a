'use strict';
// Pigeon Post, played on loopback for tests and demos: it takes messages, and reports what became of each to the callback that
// came with it. A number that ends in 198 is never reached, one that ends in 199 does not exist.

const crypto = require('node:crypto');
const http = require('node:http');

const TOKEN = 'pigeon-token-0001';
const SIGNING_KEY = 'pigeon-signing-key-0001';
const MAX_BODY = 64 << 10; // bytes

// simulate listens and returns the vendor's base URL and a function that ends it. Port 0 takes any that is free; lost hears of each
// message whose webhooks were not taken.
async function simulate(port = 0, lost = () => {}) {
  let taken = 0;
  const handle = async (request, response) => {
    const answer = (status, value) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    const refuse = (status, code) => answer(status, { error: { code } });
    const body = await read(request);
    const asked = `${request.method} ${request.url}`;
    if (request.headers.authorization !== `Bearer ${TOKEN}`) return refuse(401, 'bad_token');
    if (asked === 'GET /balance') return answer(200, { amount: 12.5, currency: 'GBP' });
    if (asked !== 'POST /messages') return refuse(404, 'no_such_path');
    if (typeof body?.text !== 'string' || body.text === '') return refuse(400, 'bad_text');
    if (typeof body.to !== 'string' || body.to.endsWith('199')) return refuse(400, 'bad_number');
    taken++;
    const id = `p${taken}`;
    answer(200, { id });
    if (body.callback) report(body, id).catch((err) => lost(id, err));
  };
  const server = http.createServer((request, response) => {
    handle(request, response).catch(() => response.destroy()); // the caller went away
  });
  await new Promise((resolve, reject) => { server.on('error', reject).listen(port, '127.0.0.1', resolve); });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => { server.close(); server.closeAllConnections(); },
  };
}

async function read(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size <= MAX_BODY) parts.push(part);
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'));
  } catch {
    return null;
  }
}

// report makes the vendor's two webhooks for a message.
async function report({ to, reference, callback }, id) {
  for (const status of ['sent', to.endsWith('198') ? 'failed' : 'delivered']) {
    const now = new Date();
    const body = receipt(`${id}-${status}`, id, reference, status, now);
    const response = await fetch(callback, { method: 'POST', headers: sign(now, body), body });
    if (!response.ok) throw new Error(`it was answered with ${response.status}`);
  }
}

// receipt is the body of a webhook; reference is what the message was sent with.
const receipt = (event, id, reference, status, at) => JSON.stringify({ event, id, reference, status, time: at.toISOString() });

// sign returns a webhook's headers.
function sign(at, body) {
  const seconds = String(Math.floor(at.getTime() / 1000));
  const signature = crypto.createHmac('sha256', SIGNING_KEY).update(`${seconds}.`).update(body).digest('hex');
  return { 'X-Pigeon-Time': seconds, 'X-Pigeon-Signature': signature };
}

module.exports = { simulate, receipt, sign, TOKEN, SIGNING_KEY };

if (require.main === module) {
  const lost = (id, err) => process.stderr.write(`a webhook of ${id} was not taken: ${err.message}\n`);
  simulate(Number(process.argv[2] ?? 9797), lost).then(
    ({ url }) => process.stdout.write(`a simulator of Pigeon Post listens on ${url}\n`),
    (err) => { process.stderr.write(`the simulator cannot listen: ${err.message}\n`); process.exit(1); },
  );
}

'use strict';
// The connector: Pigeon Post, a made-up vendor of text messages over HTTP. To write one of your own, change this file.

const crypto = require('node:crypto');
const { Fault } = require('./fault');

const MAX_ANSWER = 1 << 20; // bytes of an answer that are read
const FRESH = 5 * 60; // seconds that a webhook's signature stays good

const string = (description, more = {}) => ({ type: 'string', description, ...more });

const pigeon = {
  description: {
    name: 'pigeon',
    version: '0.1.0',
    summary: 'Text messages by Pigeon Post.',
    vendor: 'Pigeon Post',
    channels: [{ channel: 'sms', kinds: ['text'], maxText: 480, receipts: 'pushed', outcomes: ['accepted', 'sent', 'delivered'] }],
    events: ['receipt'],
    capabilities: { send: true, receive: true },
  },
  concurrency: 64,
  config: {
    type: 'object',
    properties: {
      base_url: string('the vendor\'s base URL'),
      token: string('API token', { writeOnly: true }),
      signing_key: string('signs the vendor\'s webhooks', { writeOnly: true }),
    },
    required: ['base_url', 'token', 'signing_key'],
    additionalProperties: false,
  },
  operations: {
    'balance.get': {
      summary: 'Shows the credit that is left.',
      endpoint: 'GET /balance',
      mutates: false,
      input: { type: 'object', properties: {}, additionalProperties: false },
      output: { type: 'object', properties: { amount: { type: 'number' }, currency: { type: 'string' } }, required: ['amount', 'currency'] },
      run: async (account, _input, signal) => {
        const { amount, currency } = await account.call('GET', '/balance', undefined, signal);
        if (typeof amount !== 'number' || typeof currency !== 'string') throw new Fault('internal', 'answer_odd', 'Pigeon Post gave a balance that cannot be read');
        return { amount, currency };
      },
    },
  },
  async open(config, env) {
    if (!URL.canParse(config.base_url) || !/^https?:$/.test(new URL(config.base_url).protocol)) {
      throw new Fault('misconfigured', 'config_invalid', 'base_url must be an http or https URL');
    }
    return new Account(config, env);
  },
};

// What the vendor's codes mean. One that is not here counts by its HTTP status.
const CODES = {
  bad_number: ['invalid_recipient', 'number_refused'],
  opted_out: ['unsubscribed', 'opted_out'],
  bad_text: ['content_rejected', 'text_refused'],
  no_credit: ['quota_exhausted', 'no_credit'],
};

// Only statuses that say for certain that nothing was taken may become anything but outcome_unknown.
function byStatus(status) {
  if (status === 401 || status === 403) return ['unauthorized', 'token_refused'];
  if (status === 404) return ['misconfigured', 'not_found'];
  if (status === 429) return ['rate_limited', 'too_fast'];
  if (status === 503) return ['unavailable', 'vendor_down'];
  if (status >= 300 && status < 400) return ['misconfigured', 'redirected'];
  if (status >= 400 && status < 500) return ['content_rejected', 'refused'];
  return ['outcome_unknown', 'vendor_failed'];
}

// Errors from before a byte of the request was written.
const NOT_CONNECTED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);

class Account {
  constructor(config, env) {
    this.config = config;
    this.env = env;
    this.base = config.base_url.replace(/\/+$/, '');
  }

  // send makes one attempt. What it cannot carry is refused before the vendor is called.
  async send({ channel, to, content, message, attempt }, signal) {
    if (channel !== 'sms') throw new Fault('unsupported', 'channel_unsupported', 'Pigeon Post carries the channel sms only');
    if (!content?.text || content.template || content.media || content.interactive) throw new Fault('unsupported', 'kind_unsupported', 'Pigeon Post carries text only');
    if (!to?.phone) throw new Fault('invalid_recipient', 'phone_missing', 'Pigeon Post needs a phone number');
    if ([...content.text].length > 480) throw new Fault('content_rejected', 'text_too_long', 'Pigeon Post carries at most 480 characters');
    const answer = await this.call('POST', '/messages', {
      to: to.phone,
      text: content.text,
      reference: `${message}/${attempt}`,
      callback: this.env.webhookURL ? `${this.env.webhookURL}/receipts` : undefined,
    }, signal);
    if (typeof answer?.id !== 'string') throw new Fault('outcome_unknown', 'answer_odd', 'Pigeon Post gave an answer without an id');
    return { vendorId: answer.id, outcome: 'accepted' };
  }

  // receive turns a webhook into a receipt. The signature comes first: nothing of a forged request is parsed.
  async receive({ method, path, header, body }) {
    const get = (name) => header.find((h) => h.name.toLowerCase() === name)?.values[0] || '';
    if (path !== '/receipts') return { response: { status: '404' } };
    if (method !== 'POST') return { response: { status: '405' } };
    const at = get('x-pigeon-time');
    const want = crypto.createHmac('sha256', this.config.signing_key).update(`${at}.`).update(body).digest();
    const got = Buffer.from(get('x-pigeon-signature'), 'hex');
    if (got.length !== want.length || !crypto.timingSafeEqual(got, want)) throw new Fault('unauthorized', 'signature', 'the signature does not match: check signing_key');
    if (!(Math.abs(Date.now() / 1000 - Number(at)) < FRESH)) throw new Fault('unauthorized', 'stale', 'the webhook is too old: check the clock');
    const event = readReceipt(body);
    return { response: { status: '200' }, events: event ? [{ ...event, account: this.env.account, vendor: body }] : [] };
  }

  // call makes one HTTP request and returns its JSON.
  async call(method, path, body, signal) {
    let response;
    try {
      response = await fetch(this.base + path, {
        method,
        redirect: 'manual', // following would carry the token elsewhere
        headers: { authorization: `Bearer ${this.config.token}`, 'content-type': 'application/json' },
        body: body && JSON.stringify(body),
        signal,
      });
    } catch (err) {
      const reason = err.cause?.code || err.name;
      if (NOT_CONNECTED.has(reason)) throw new Fault('unavailable', 'not_reached', `Pigeon Post cannot be reached (${reason})`);
      throw new Fault(method === 'GET' ? 'unavailable' : 'outcome_unknown', 'no_answer', `Pigeon Post did not answer (${reason})`);
    }
    const value = await readJSON(response, method);
    if (response.ok) return value;
    const code = typeof value?.error?.code === 'string' && /^[a-z_]{1,40}$/.test(value.error.code) ? value.error.code : '';
    let [faultClass, ours] = CODES[code] || byStatus(response.status);
    if (faultClass === 'outcome_unknown' && method === 'GET') faultClass = 'unavailable'; // asking changes nothing
    const wait = Number(response.headers.get('retry-after'));
    throw new Fault(faultClass, ours, 'Pigeon Post refused the call', {
      vendorCode: code || `http ${response.status}`,
      retryAfterMs: faultClass === 'rate_limited' && wait > 0 ? wait * 1000 : 0,
    });
  }
}

// readJSON reads at most MAX_ANSWER bytes. An answer that cannot be read says nothing about what became of the message.
async function readJSON(response, method) {
  const parts = [];
  let size = 0;
  try {
    for await (const part of response.body || []) {
      size += part.length;
      if (size > MAX_ANSWER) throw new Error('too large'); // leaving the loop cancels the body
      parts.push(part);
    }
    const value = JSON.parse(Buffer.concat(parts).toString('utf8'));
    if (typeof value !== 'object' || value === null) throw new Error('not an object');
    return value;
  } catch {
    if (!response.ok) return null;
    throw new Fault(method === 'GET' ? 'internal' : 'outcome_unknown', 'answer_odd', 'Pigeon Post gave an answer that cannot be read');
  }
}

const OUTCOMES = { sent: 'sent', delivered: 'delivered', failed: 'failed' };

// readReceipt returns the event of a signed body, and null for a status that says nothing new.
function readReceipt(body) {
  let value;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    value = null;
  }
  if (typeof value?.event !== 'string' || typeof value.id !== 'string') throw new Fault('content_rejected', 'payload_invalid', 'the webhook is not a receipt of Pigeon Post');
  const outcome = OUTCOMES[value.status];
  if (!outcome) return null;
  const millis = Date.parse(value.time);
  const time = Number.isNaN(millis) ? undefined : { seconds: String(Math.floor(millis / 1000)), nanos: (millis % 1000) * 1e6 };
  const receipt = { vendorId: value.id, outcome, at: time };
  // The reference finds the attempt even where the answer to the call was lost, and with it the vendor's id.
  const sent = /^([^/]+)\/([1-9]\d{0,8})$/.exec(typeof value.reference === 'string' ? value.reference : '');
  if (sent) [, receipt.message, receipt.attempt] = sent;
  if (outcome === 'failed') receipt.fault = { class: 'invalid_recipient', code: 'not_delivered', text: 'Pigeon Post could not deliver it' };
  return { id: `pigeon-${value.event}`, type: 'receipt', time, receipt };
}

module.exports = { pigeon };

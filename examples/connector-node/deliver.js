'use strict';
// The Deliver stream: frames of deliveries in, frames of answers out, in any order.

const { Fault, toWire } = require('./fault');

const MAX_ANSWERS = 256; // in a frame

// deliver serves one stream. find gives the account of a handle; concurrency bounds the calls under way.
function deliver(stream, find, concurrency) {
  const answers = new Answers(stream);
  const gone = new AbortController(); // the engine has left
  const queue = []; // at most the rest of one frame
  let underWay = 0;
  let closed = false; // the engine sends nothing more
  let account = null;

  const proceed = () => {
    while (queue.length > 0 && underWay < concurrency) {
      const { d, signal } = queue.shift();
      underWay++;
      one(account, d, signal).then((answer) => {
        underWay--;
        answers.add({ sequence: d.sequence, ...answer });
        proceed();
      });
    }
    if (queue.length > 0) stream.pause(); // nothing more is read: the engine then stops sending
    else if (!closed) stream.resume();
    else if (underWay === 0) answers.end();
  };
  stream.on('cancelled', () => gone.abort());
  stream.on('data', (frame) => {
    try {
      account ||= find(frame.handle);
    } catch (err) {
      stream.destroy(err);
      return;
    }
    const millis = Number(frame.timeoutNanos) / 1e6;
    const signal = millis > 0 ? AbortSignal.any([gone.signal, AbortSignal.timeout(Math.max(1, Math.floor(millis)))]) : gone.signal;
    for (const d of frame.deliveries) queue.push({ d, signal });
    proceed();
  });
  stream.on('end', () => {
    closed = true;
    proceed();
  });
}

// one makes one attempt. It never throws: each delivery is answered once.
async function one(account, d, signal) {
  if (signal.aborted) {
    return { fault: toWire(new Fault('unavailable', 'not_started', "the connector had no time for this delivery: lower the account's rate")) };
  }
  try {
    return await account.send({ ...d, attempt: Number(d.attempt) }, signal);
  } catch (err) {
    if (signal.aborted && !(err instanceof Fault)) {
      return { fault: toWire(new Fault('outcome_unknown', 'no_answer', 'the vendor did not answer in time')) };
    }
    return { fault: toWire(err instanceof Fault ? err : new Fault('outcome_unknown', 'connector_error', `sending failed with a ${err.name}`)) };
  }
}

// Answers gathers what is answered in one turn of the event loop into one frame.
class Answers {
  constructor(stream) {
    this.stream = stream;
    this.waiting = [];
  }

  add(answer) {
    this.waiting.push(answer);
    if (this.waiting.length === 1) setImmediate(() => this.flush());
  }

  end() {
    this.flush();
    this.stream.end();
  }

  flush() {
    while (this.waiting.length > 0) this.stream.write({ answers: this.waiting.splice(0, MAX_ANSWERS) });
  }
}

module.exports = { deliver };

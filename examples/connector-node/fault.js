'use strict';
// Fault says why something failed, as a class that tells the engine what to do next. The classes are those of sdk/fault.
// Its text must carry no secret, phone number or message text: say what happened, and never what the vendor was sent.

class Fault extends Error {
  constructor(faultClass, code, text, { vendorCode = '', retryAfterMs = 0 } = {}) {
    super(text);
    this.class = faultClass;
    this.code = code;
    this.vendorCode = vendorCode;
    this.retryAfterMs = retryAfterMs;
  }
}

// toWire makes the Fault message of the contract. An error without a class becomes class internal; its text stays here, for
// nobody knows what it holds.
function toWire(err) {
  if (!err) return undefined;
  const f = err instanceof Fault ? err : new Fault('internal', 'connector_error', `the connector failed with a ${err.name || 'value'} that it did not classify`);
  return {
    class: f.class,
    code: f.code,
    text: f.message,
    vendorCode: f.vendorCode,
    retryAfterNanos: String(Math.round(f.retryAfterMs * 1e6)),
    mayBeTaken: f.class === 'outcome_unknown',
  };
}

module.exports = { Fault, toWire };

'use strict';
// A check of JSON objects against the schemas that this connector declares: flat objects of strings, numbers and booleans.

const { Fault } = require('./fault');

// parse reads a JSON object that fits a schema. What does not fit is refused with a fault of the class, which names the member.
function parse(raw, schema, what, faultClass, code) {
  const refuse = (text) => { throw new Fault(faultClass, code, `${what}: ${text}`); };
  let value;
  try {
    value = raw && raw.length > 0 ? JSON.parse(raw.toString('utf8')) : {};
  } catch {
    refuse('it is not valid JSON');
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) refuse('it must be an object');
  for (const name of schema.required || []) {
    if (!Object.hasOwn(value, name)) refuse(`"${name}" is missing`);
  }
  for (const [name, v] of Object.entries(value)) {
    const property = Object.hasOwn(schema.properties, name) ? schema.properties[name] : null;
    if (!property) refuse(`"${name.slice(0, 64)}" is not known; known are ${Object.keys(schema.properties).join(', ') || 'none'}`);
    if (typeof v !== property.type) refuse(`"${name}" must be a ${property.type}`);
  }
  return value;
}

module.exports = { parse };

'use strict';
// A self-signed certificate for "localhost", which go-plugin's mutual TLS asks for. Node.js cannot make one by itself, so it is
// put together here: about as much ASN.1 as fits a page (RFC 5280, appendix A).

const crypto = require('node:crypto');

const tlv = (tag, ...parts) => {
  const body = Buffer.concat(parts.map((p) => Buffer.from(p)));
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const length = [];
  for (let n = body.length; n > 0; n >>= 8) length.unshift(n & 0xff);
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length, ...length]), body]);
};
const sequence = (...parts) => tlv(0x30, ...parts);
const oid = (...bytes) => tlv(0x06, bytes);
const bits = (bytes, unused = 0) => tlv(0x03, [unused], bytes);
const time = (date) => tlv(0x18, date.toISOString().replace(/[-:T]/g, '').slice(0, 14) + 'Z');
const extension = (id, critical, value) => sequence(oid(0x55, 0x1d, id), ...(critical ? [tlv(0x01, [0xff])] : []), tlv(0x04, value));

const YEAR = 365 * 24 * 3600 * 1000;

// selfSigned returns a new key and its certificate: { key, cert } as PEM and der, the certificate's bytes.
function selfSigned() {
  const { privateKey, publicKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ecdsaWithSHA256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));
  const name = sequence(tlv(0x31, sequence(oid(0x55, 0x04, 0x03), tlv(0x0c, 'localhost'))));
  const now = Date.now();
  const body = sequence(
    tlv(0xa0, tlv(0x02, [2])), // version 3
    tlv(0x02, [0x01], crypto.randomBytes(15)), // serial number; the first byte keeps it positive
    ecdsaWithSHA256,
    name,
    sequence(time(new Date(now - 60 * 1000)), time(new Date(now + 30 * YEAR))),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(
      extension(0x13, true, sequence(tlv(0x01, [0xff]))), // basic constraints: an authority, of itself
      extension(0x0f, true, bits([0xac], 2)), // digital signature, key encipherment and agreement, certificate signing
      extension(0x25, false, sequence(oid(0x2b, 6, 1, 5, 5, 7, 3, 1), oid(0x2b, 6, 1, 5, 5, 7, 3, 2))), // server, client
      extension(0x11, false, sequence(tlv(0x82, 'localhost'))), // the name that the engine checks
    )),
  );
  const der = sequence(body, ecdsaWithSHA256, bits(crypto.sign('sha256', body, privateKey)));
  const cert = `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replace(/(.{64})/g, '$1\n').trimEnd()}\n-----END CERTIFICATE-----\n`;
  return { key: privateKey.export({ type: 'pkcs8', format: 'pem' }), cert, der };
}

module.exports = { selfSigned };

'use strict';
// Makes dist/hermod-pigeon: one executable file that holds the connector, its packages and the contract. One file, because an
// engine pins the program's checksum, and what the file would load from elsewhere would not be pinned.
//
// Its first line names this very node by its full path: an engine starts connectors with a clean environment, without a PATH to
// look in.

const fs = require('node:fs');
const path = require('node:path');

// Where the contract lies: in this repository, or where HERMOD_PROTO says.
const contract = path.resolve(process.env.HERMOD_PROTO || path.join(__dirname, '..', '..', 'proto'));
const service = path.join(contract, 'hermod', 'connector', 'v1', 'connector.proto');
if (!fs.existsSync(service)) {
  process.stderr.write(`the contract ${service} does not exist: let HERMOD_PROTO name the folder proto of a checkout of Hermod, such as HERMOD_PROTO=../hermod/proto\n`);
  process.exit(1);
}

const esbuild = require('esbuild');
const protobuf = require('protobufjs');

const out = path.join(__dirname, 'dist');
fs.mkdirSync(out, { recursive: true });
const root = new protobuf.Root();
root.resolvePath = (origin, target) => (
  [contract, path.join(__dirname, 'proto')].map((dir) => path.join(dir, target)).find((file) => fs.existsSync(file)) || target);
root.loadSync(['hermod/connector/v1/connector.proto', 'goplugin.proto', 'health.proto'].map((file) => root.resolvePath('', file)));
fs.writeFileSync(path.join(out, 'contract.json'), JSON.stringify(root.toJSON()));

const program = path.join(out, 'hermod-pigeon');
esbuild.buildSync({
  entryPoints: [path.join(__dirname, 'main.js')],
  bundle: true,
  platform: 'node',
  target: 'node20',
  outfile: program,
  banner: { js: `#!${process.execPath}` },
  logLevel: 'warning',
});
fs.chmodSync(program, 0o755);
process.stdout.write(`${program}\n`);

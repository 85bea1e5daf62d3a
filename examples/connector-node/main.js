'use strict';

const { pigeon } = require('./pigeon');
const { serve } = require('./serve');

serve(pigeon).catch((err) => {
  process.stderr.write(`the connector could not start: ${err.message}\n`);
  process.exit(1);
});

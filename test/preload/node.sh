#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# node: JSON, strings, typed arrays, zlib and crypto on the thread pool, worker threads, children. Only where it is installed already.
. "$(dirname "$0")/common.sh"
must node
cat >"$work/work.js" <<'JS'
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const zlib = require('zlib'), crypto = require('crypto'), util = require('util'), { execFileSync } = require('child_process');
if (!isMainThread) {
  const m = new Map();
  for (let i = 0; i < 50000; i++) m.set('k' + i * workerData, { i, s: 'x'.repeat(i % 100) });
  parentPort.postMessage([...m.keys()].length + Buffer.alloc(1 << 20, workerData).length);
} else (async () => {
  const data = Array.from({ length: 30000 }, (_, i) => ({ i, s: 'text ' + (i * 7919 % 30011), a: [i, i + 1] }));
  const json = JSON.stringify(data);
  console.log(crypto.createHash('sha256').update(JSON.stringify(JSON.parse(json))).digest('hex'));
  const packed = await Promise.all([1, 5, 9].map(level => util.promisify(zlib.gzip)(json, { level })));
  console.log((await Promise.all(packed.map(p => util.promisify(zlib.gunzip)(p)))).every(b => b.toString() === json));
  const keys = await Promise.all([1, 2, 3, 4].map(i => util.promisify(crypto.pbkdf2)('p' + i, 'salt', 2000, 64, 'sha512')));
  console.log(keys.map(k => k.toString('hex').slice(0, 16)).join(' '));
  const sums = await Promise.all([1, 2, 3, 4].map(n => new Promise((ok, no) => {
    const w = new Worker(__filename, { workerData: n }); w.on('message', ok); w.on('error', no);
  })));
  console.log(sums.join(' '));
  let buffers = [];
  for (let i = 0; i < 3000; i++) { buffers.push(Buffer.alloc(i * 37 % 100000, i & 255)); if (i % 7 === 0) buffers.shift(); }
  console.log(buffers.reduce((n, b) => n + b.length, 0));
  console.log(json.replace(/text (\d+)/g, (_, d) => 'T' + d.length).length, execFileSync('echo', ['child']).toString().trim());
})();
JS
same node node "$work/work.js"

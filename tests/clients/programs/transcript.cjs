// What the Node.js programs print: each step's title with what came of it, the same on every run.
"use strict";
const { createHash } = require("node:crypto");
const { readFileSync } = require("node:fs");
const { inspect } = require("node:util");

const LONGEST = 300;

const readSettings = () => JSON.parse(readFileSync(0, "utf8"));

const digest = (data) => createHash("sha256").update(data).digest("hex");

// Returns a value in which long texts and buffers are replaced by their digest.
function plain(value) {
  if ((typeof value === "string" || Buffer.isBuffer(value)) && value.length > LONGEST) {
    return `${value.length} of ${digest(value)}`;
  }
  if (Array.isArray(value)) return value.map(plain);
  if (value && [Object.prototype, null].includes(Object.getPrototypeOf(value))) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item)]));
  }
  return value;
}

function show(title, value) {
  const options = { depth: 8, breakLength: Infinity, maxArrayLength: 2000, maxStringLength: 2000, sorted: true };
  console.log(`${title}: ${inspect(plain(value), options)}`);
}

// Shows the error with which an action fails; throws if it is not the one with this number.
async function refuse(title, number, action) {
  let result;
  try {
    result = await action();
  } catch (error) {
    if (error.errno !== number) throw error;
    show(title, [error.name, error.code, error.errno, error.sqlState, error.sqlMessage]);
    return;
  }
  throw new Error(`${title} ended well, with ${inspect(result)}, and not with error ${number}`);
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const blob = (size) => Buffer.alloc(size, Buffer.from([...LETTERS].map((letter, n) => (letter.charCodeAt(0) * n) % 256)));

const PARAMETERS = [
  null, true, 0, -1, Number.MAX_SAFE_INTEGER, 12345678901234567890n, 0.1, -1e300, "text", "", "it's \\ \" % \u{1f600}",
  "x".repeat(70000), Buffer.from([0, 255, 39, 92, 26]), new Date("2024-02-29T12:34:56.789Z"),
];
const MANY_ROWS = "WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 1000) SELECT n FROM r";

module.exports = { MANY_ROWS, PARAMETERS, blob, plain, readSettings, refuse, show };

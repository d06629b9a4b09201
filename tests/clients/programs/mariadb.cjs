// A session of each kind with MariaDB's driver for Node.js, which sends commands before their predecessors are answered.
"use strict";
const mariadb = require("mariadb");
const { MANY_ROWS, PARAMETERS, blob, readSettings, refuse, show } = require("./transcript.cjs");

const settings = readSettings();

const connect = (options = {}) =>
  mariadb.createConnection({
    host: settings.host,
    port: settings.port,
    user: settings.user,
    password: settings.password,
    database: settings.database,
    ssl: settings.tls ? { rejectUnauthorized: false } : undefined,
    allowPublicKeyRetrieval: true,
    multipleStatements: true,
    timezone: "Z",
    permitLocalInfile: true,
    ...options,
  });

async function connected(options, work) {
  const connection = await connect(options);
  try {
    await work(connection);
  } finally {
    await connection.end();
  }
}

const column = (one) =>
  one.name && { name: one.name(), db: one.db(), table: one.table(), original: one.orgName(), type: one.type,
    flags: one.flags, scale: one.scale, length: one.columnLength, collation: one.collation?.index };

async function ask(title, connection, how, statement, parameters) {
  const found = await connection[how](statement, parameters);
  const columns = Array.isArray(found) && found.meta ? [].concat(found.meta).map(column) : null;
  show(title, [columns, Array.isArray(found) ? [...found] : { ...found }]);
}

async function types(connection) {
  for (const how of ["query", "execute"]) {
    await ask(`${how} all types`, connection, how, "SELECT * FROM everything ORDER BY id");
    await ask(`${how} nothing`, connection, how, "SELECT * FROM everything WHERE FALSE");
    await ask(`${how} many rows`, connection, how, MANY_ROWS);
    await ask(`${how} arrays`, connection, how, { sql: "SELECT * FROM everything ORDER BY id", rowsAsArray: true });
    for (const [number, value] of PARAMETERS.entries()) {
      await ask(`${how} parameter ${number}`, connection, how, "SELECT ? AS value", [value]);
    }
  }
  let count = 0;
  for await (const row of connection.queryStream(MANY_ROWS)) count += Number(row.n);
  show("stream", count);
}

async function writes(connection) {
  for (const how of ["query", "execute"]) {
    const insert = "INSERT INTO users (email, name) VALUES (?, ?)";
    await connection.beginTransaction();
    await ask(`${how} insert`, connection, how, insert, [`${how}@x`, "\u{1f600}"]);
    await connection.rollback();
    await ask(`${how} insert again`, connection, how, insert, [`${how}@x`, null]);
    await refuse(`${how} duplicate`, 1062, () => connection[how](insert, [`${how}@x`, "B"]));
    await refuse(`${how} syntax`, 1064, () => connection[how]("SELEC 1"));
    await refuse(`${how} no table`, 1146, () => connection[how]("SELECT * FROM absent"));
    await ask(`${how} warning`, connection, how, "SELECT 1 / 0, CAST('1x' AS SIGNED)");
    await ask(`${how} warnings`, connection, "query", "SHOW WARNINGS");
  }
  for (const foundRows of [true, false]) {
    await connected({ foundRows }, async (other) => {
      await ask(`no change ${foundRows}`, other, "query", "UPDATE users SET name = name");
      const upsert = "INSERT INTO users (email, visits) VALUES ('query@x', 1) ON DUPLICATE KEY UPDATE visits = 7";
      await ask(`upsert ${foundRows}`, other, "execute", upsert);
    });
  }
  const rows = Array.from({ length: 40 }, (_, n) => [n, n % 3 ? `number ${n}` : null]);
  await ask("bulk", connection, "batch", "INSERT INTO numbers VALUES (?, ?)", rows);
  const repeated = [[90, "a"], [5, "duplicate"], [91, "b"]];
  await refuse("bulk duplicate", 1062, () => connection.batch("INSERT INTO numbers VALUES (?, ?)", repeated));
  await ask("after the bulk", connection, "query", "SELECT COUNT(*), SUM(text IS NULL) FROM numbers");
}

async function several(connection) {
  await ask("batch", connection, "query", "SELECT 1 AS a; UPDATE users SET visits = 9; SELECT 2, NULL");
  await ask("call", connection, "query", "SET @b = 21; CALL double_it(7, @b, @c); SELECT @b, @c");
  await ask("prepared call", connection, "execute", "CALL double_it(?, @b, @c)", [5]);
  await refuse("broken batch", 1146, () => connection.query("SELECT 1; SELECT * FROM absent; SELECT 3"));
  for (const how of ["query", "execute"]) await refuse(how, 1062, () => connection[how]("CALL fail_late()"));
  const statement = await connection.prepare("INSERT INTO numbers VALUES (?, ?)");
  for (const n of [150, 151]) show("prepared", { ...(await statement.execute([n, "prepared"])) });
  await refuse("prepared duplicate", 1062, () => statement.execute([150, "again"]));
  statement.close();
  for (const how of ["query", "execute"]) {
    const all = Array.from({ length: 50 }, (_, n) => connection[how](n === 30 ? "SELEC ?" : "SELECT ? AS n", [n]));
    for (const { status, value, reason } of await Promise.allSettled(all)) show(status, value?.[0] ?? reason.errno);
  }
}

async function loadData(connection) {
  await ask("delete", connection, "query", "DELETE FROM numbers");
  await ask("load data", connection, "query", `LOAD DATA LOCAL INFILE '${settings.file}' INTO TABLE numbers`);
  await ask("warnings", connection, "query", "SHOW WARNINGS");
  await ask("loaded", connection, "query", "SELECT * FROM numbers ORDER BY n");
}

async function bigValues(connection) {
  for (const [id, how] of ["query", "execute"].entries()) {
    const row = [id, blob(settings.blob_bytes), "é".repeat(70000)];
    await ask(`${how} big insert`, connection, how, "INSERT INTO files VALUES (?, ?, ?)", row);
    await ask(`${how} big row`, connection, how, "SELECT * FROM files WHERE id = ?", [id]);
  }
}

async function housekeeping(connection) {
  const where = "SELECT @kept, DATABASE(), CURRENT_USER(), @@character_set_client";
  await connection.query("SET @kept = 1");
  await connection.ping();
  await ask("after the ping", connection, "query", where);
  const other = { user: settings.other_user, password: settings.other_password, database: settings.database };
  const change = () => connection.changeUser(other);
  await (settings.mariadb ? change() : refuse("the driver's own refusal", 45003, change));
  await ask("after the change of user", connection, "query", where);
  await connection.reset();
  await ask("after the reset", connection, "query", where);
  show("server", connection.serverVersion());
  await connected({ compress: true }, (own) => ask("compressed", own, "query", "SELECT REPEAT('x', 100000)"));
  await connected({ pipelining: false }, (own) => ask("one by one", own, "query", "SELECT 1"));
  await connected({ metaAsArray: true, prepareCacheLength: 0 }, (own) => ask("no cache", own, "query", "SELECT 1"));
  await refuse("wrong password", 1045, () => connect({ password: "wrong" }));
  await refuse("unknown database", 1049, () => connect({ database: "absent" }));
}

async function main() {
  await connected({}, async (connection) => {
    for (const statement of ["SET time_zone = '+00:00'", ...settings.setup, ...settings.everything]) {
      await connection.query(statement);
    }
    for (const step of [types, writes, several, loadData, bigValues, housekeeping]) {
      show("step", step.name);
      await step(connection);
    }
  });
}

main();

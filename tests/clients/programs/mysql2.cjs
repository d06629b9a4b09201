// A session of each kind with Node's mysql2: text and prepared statements, streams, and what else a connection can do.
"use strict";
const { createReadStream } = require("node:fs");
const mysql = require("mysql2/promise");
const { MANY_ROWS, PARAMETERS, blob, readSettings, refuse, show } = require("./transcript.cjs");

const settings = readSettings();

const connect = (options = {}) =>
  mysql.createConnection({
    host: settings.host,
    port: settings.port,
    user: settings.user,
    password: settings.password,
    database: settings.database,
    ssl: settings.tls ? { rejectUnauthorized: false } : undefined,
    multipleStatements: true,
    timezone: "Z",
    supportBigNumbers: true,
    infileStreamFactory: (path) => createReadStream(path),
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

const field = ({ name, columnType, type, flags, decimals, columnLength, characterSet, encoding, db, table, orgName }) => ({
  name, columnType, type, flags, decimals, columnLength, characterSet, encoding, db, table, orgName,
});
const fields = (found) => (found ?? []).map((one) => (Array.isArray(one) ? one.map(field) : one && field(one)));

async function ask(title, connection, how, statement, parameters) {
  const [rows, columns] = await connection[how](statement, parameters);
  show(title, [fields(columns), rows]);
}

async function types(connection) {
  for (const how of ["query", "execute"]) {
    await ask(`${how} all types`, connection, how, "SELECT * FROM everything ORDER BY id");
    await ask(`${how} nothing`, connection, how, "SELECT * FROM everything WHERE FALSE");
    await ask(`${how} many rows`, connection, how, MANY_ROWS);
    if (!settings.mariadb) await ask(`${how} vectors`, connection, how, "SELECT * FROM vectors ORDER BY id");
    const arrays = { sql: "SELECT * FROM everything ORDER BY id", rowsAsArray: true };
    await ask(`${how} arrays`, connection, how, arrays);
    for (const [number, value] of PARAMETERS.entries()) {
      await ask(`${how} parameter ${number}`, connection, how, "SELECT ? AS value", [value]);
    }
  }
  let count = 0;
  for await (const row of connection.connection.query(MANY_ROWS).stream()) count += Number(row.n);
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
  for (const flags of [[], ["-FOUND_ROWS"]]) {
    await connected({ flags }, async (other) => {
      await ask(`no change ${flags}`, other, "query", "UPDATE users SET name = name");
      const upsert = "INSERT INTO users (email, visits) VALUES ('query@x', 1) ON DUPLICATE KEY UPDATE visits = 7";
      await ask(`upsert ${flags}`, other, "execute", upsert);
    });
  }
  const rows = Array.from({ length: 40 }, (_, n) => [n, `number ${n}`]);
  await ask("bulk", connection, "query", "INSERT INTO numbers VALUES ?", [rows]);
}

async function several(connection) {
  await ask("batch", connection, "query", "SELECT 1 AS a; UPDATE users SET visits = 9; SELECT 2, NULL");
  await ask("call", connection, "query", "SET @b = 21; CALL double_it(7, @b, @c); SELECT @b, @c");
  await ask("prepared call", connection, "execute", "CALL double_it(?, @b, @c)", [5]);
  await refuse("broken batch", 1146, () => connection.query("SELECT 1; SELECT * FROM absent; SELECT 3"));
  for (const how of ["query", "execute"]) await refuse(how, 1062, () => connection[how]("CALL fail_late()"));
  const statement = await connection.prepare("INSERT INTO numbers VALUES (?, ?)");
  for (const n of [50, 51]) show("prepared", await statement.execute([n, "prepared"]));
  await refuse("prepared duplicate", 1062, () => statement.execute([50, "again"]));
  await statement.close();
  await Promise.all(Array.from({ length: 50 }, (_, n) => ask(`queued ${n}`, connection, "execute", "SELECT ?", [n])));
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

async function deadlock(connection) {
  await connection.query("DELETE FROM numbers; INSERT INTO numbers VALUES (1, 'a'), (2, 'b')");
  await connected({}, (light) =>
    connected({}, async (heavy) => {
      await light.query("BEGIN; UPDATE numbers SET text = 'light' WHERE n = 1");
      await heavy.query("BEGIN; UPDATE numbers SET text = 'heavy' WHERE n = 2");
      for (let n = 10; n < 40; n++) await heavy.query("INSERT INTO numbers VALUES (?, 'heavy')", [n]);
      const survivor = heavy.query("UPDATE numbers SET text = 'both' WHERE n = 1");
      await refuse("deadlock", 1213, () => light.query("UPDATE numbers SET text = 'light' WHERE n = 2"));
      show("survivor", (await survivor)[0]);
      await heavy.commit();
    }),
  );
}

async function housekeeping(connection) {
  const where = "SELECT @kept, DATABASE(), CURRENT_USER(), @@character_set_client";
  await connection.query("SET @kept = 1");
  await connection.ping();
  await ask("after the ping", connection, "query", where);
  await connection.changeUser({ user: settings.other_user, password: settings.other_password });
  await ask("after the change of user", connection, "query", where);
  await connection.reset?.();
  await ask("after the reset", connection, "query", where);
  await connected({ charset: "latin1" }, (other) => ask("latin1", other, "query", "SELECT 'äö', @@character_set_client"));
  await connected({ compress: true }, (other) => ask("compressed", other, "query", "SELECT REPEAT('x', 100000)"));
  await refuse("wrong password", 1045, () => connect({ password: "wrong" }));
  await refuse("unknown database", 1049, () => connect({ database: "absent" }));
}

async function main() {
  await connected({}, async (connection) => {
    for (const statement of ["SET time_zone = '+00:00'", ...settings.setup, ...settings.everything]) {
      await connection.query(statement);
    }
    for (const step of [types, writes, several, loadData, bigValues, deadlock, housekeeping]) {
      show("step", step.name);
      await step(connection);
    }
  });
}

main();

<?php
// A session of each kind with mysqli: text and prepared statements, long data, cursors, and a connection's own commands.
declare(strict_types=1);
require __DIR__ . '/transcript.php';

mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$settings = read_settings();

function connect(array $settings, int $flags = 0): mysqli
{
    $connection = mysqli_init();
    $connection->options(MYSQLI_OPT_LOCAL_INFILE, 1);
    $flags |= $settings['tls'] ? MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT : 0;
    $account = [$settings['user'], $settings['password'], $settings['database']];
    $connection->real_connect($settings['host'], ...$account, port: $settings['port'], flags: $flags);
    $connection->set_charset('utf8mb4');
    return $connection;
}

function told(mysqli $connection): array
{
    return [$connection->affected_rows, $connection->insert_id, $connection->warning_count, $connection->info];
}

function ask(string $title, mysqli $connection, string $statement, int $mode = MYSQLI_STORE_RESULT): void
{
    $reply = $connection->query($statement, $mode);
    $found = $reply instanceof mysqli_result ? [$reply->fetch_fields(), $reply->fetch_all()] : $reply;
    show($title, [array_map(plain(...), (array) $found), told($connection)]);
}

function execute(string $title, mysqli $connection, string $statement, array $parameters = [], bool $cursor = false): void
{
    $prepared = $connection->prepare($statement);
    if ($cursor) {
        $prepared->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY);
    }
    if ($parameters) {
        $types = array_map(fn ($value) => ['integer' => 'i', 'boolean' => 'i', 'double' => 'd'][gettype($value)] ?? 's', $parameters);
        $prepared->bind_param(implode('', $types), ...$parameters);
    }
    $prepared->execute();
    do {
        $reply = $prepared->get_result();
        $found = $reply ? [$reply->fetch_fields(), $reply->fetch_all()] : $reply;
        show($title, [plain((array) $found), $prepared->affected_rows, $prepared->insert_id, $prepared->param_count]);
    } while ($prepared->more_results() && $prepared->next_result());
    $prepared->close();
}

function types(mysqli $connection, array $settings): void
{
    foreach ($settings['mariadb'] ? ['everything'] : ['everything', 'vectors'] as $table) {
        $statement = "SELECT * FROM $table WHERE id < 9 ORDER BY id";
        ask("text $table", $connection, $statement);
        ask("unbuffered $table", $connection, $statement, MYSQLI_USE_RESULT);
        execute("prepared $table", $connection, $statement);
        execute("cursor over $table", $connection, $statement, [], true);
    }
    ask('text nothing', $connection, 'SELECT * FROM everything WHERE FALSE');
    execute('prepared nothing', $connection, 'SELECT * FROM everything WHERE FALSE');
    execute('cursor over nothing', $connection, 'SELECT * FROM everything WHERE FALSE', [], true);
    execute('cursor over many rows', $connection, MANY_ROWS, [], true);
    foreach (PARAMETERS as $number => $value) {
        execute("parameter $number", $connection, 'SELECT ? AS value', [$value]);
    }
}

function writes(mysqli $connection): void
{
    $connection->begin_transaction();
    ask('insert', $connection, "INSERT INTO users (email, name) VALUES ('a@x', '\u{1f600}')");
    $connection->rollback();
    execute('insert again', $connection, 'INSERT INTO users (email, name) VALUES (?, ?)', ['a@x', null]);
    ask('several rows', $connection, "INSERT INTO users (email) VALUES ('b@x'), ('c@x')");
    refuse('duplicate', 1062, fn () => ask('', $connection, "INSERT INTO users (email) VALUES ('a@x')"));
    refuse('prepared duplicate', 1062, fn () => execute('', $connection, 'INSERT INTO users (email) VALUES (?)', ['a@x']));
    refuse('syntax', 1064, fn () => $connection->query('SELEC 1'));
    refuse('prepared syntax', 1064, fn () => $connection->prepare('SELEC ?'));
    ask('warning', $connection, "SELECT 1 / 0, CAST('1x' AS SIGNED)");
    ask('warnings', $connection, 'SHOW WARNINGS');
    ask('update', $connection, 'UPDATE users SET visits = visits + id % 2');
    $prepared = $connection->prepare('INSERT INTO numbers VALUES (?, ?)');
    $prepared->bind_param('is', $n, $text);
    foreach (range(0, 9) as $n) {
        $text = $n % 3 ? "number $n" : null;
        $prepared->execute();
    }
    show('many', [$prepared->affected_rows, $connection->info]);
    ask('numbers', $connection, 'SELECT * FROM numbers ORDER BY n');
}

function several(mysqli $connection): void
{
    foreach ([
        'SELECT 1 AS a; UPDATE users SET visits = 9; SELECT 2, NULL',
        'SET @b = 21; CALL double_it(7, @b, @c); SELECT @b, @c',
    ] as $batch) {
        $connection->multi_query($batch);
        do {
            $reply = $connection->store_result();
            show('batch', [$reply ? [plain($reply->fetch_fields()), $reply->fetch_all()] : null, told($connection)]);
        } while ($connection->more_results() && $connection->next_result());
    }
    execute('prepared call', $connection, 'CALL double_it(?, @b, @c)', [5]);
    refuse('broken batch', 1146, function () use ($connection) {
        $connection->multi_query('SELECT 1; SELECT * FROM absent; SELECT 3');
        do {
            $reply = $connection->store_result();
        } while ($connection->next_result());
    });
    ask('alive', $connection, "SELECT 'alive'");
}

function big_values(mysqli $connection, int $size): void
{
    $prepared = $connection->prepare('INSERT INTO files VALUES (?, ?, ?)');
    $empty = null;
    $note = str_repeat('é', 70000);
    foreach ([1, 2] as $id) {
        $prepared->bind_param('ibs', $id, $empty, $note);
        foreach (str_split(blob($size), 300000) as $part) {
            $prepared->send_long_data(1, $part);
        }
        $prepared->execute();
        show('long data', $prepared->affected_rows);
    }
    ask('big text', $connection, "INSERT INTO files VALUES (3, '" . $connection->real_escape_string(blob($size)) . "', '')");
    ask('big rows', $connection, 'SELECT * FROM files ORDER BY id');
    execute('big row', $connection, 'SELECT * FROM files WHERE id = ?', [2]);
    execute('big rows by cursor', $connection, 'SELECT * FROM files ORDER BY id', [], true);
}

function housekeeping(mysqli $connection, array $settings): void
{
    $where = 'SELECT @kept, DATABASE(), CURRENT_USER(), @@character_set_client';
    $connection->query('DELETE FROM numbers');
    ask('load data', $connection, "LOAD DATA LOCAL INFILE '{$settings['file']}' INTO TABLE numbers");
    ask('its warnings', $connection, 'SHOW WARNINGS');
    ask('loaded', $connection, 'SELECT * FROM numbers ORDER BY n');
    $connection->query('SET @kept = 1');
    show('server', [$connection->server_info, $connection->protocol_version, $connection->character_set_name()]);
    show('statistics', strstr($connection->stat(), ':', true));
    $connection->select_db($settings['database']);
    ask('after the choice of a database', $connection, $where);
    $connection->change_user($settings['other_user'], $settings['other_password'], $settings['database']);
    ask('after the change of user', $connection, $where);
    refuse('wrong change of user', 1045, fn () => $connection->change_user($settings['user'], 'wrong', ''));
    foreach ([0, MYSQLI_CLIENT_FOUND_ROWS, MYSQLI_CLIENT_COMPRESS] as $flags) {
        $other = connect($settings, $flags);
        ask("no change, flags $flags", $other, 'UPDATE users SET name = name');
        ask("long, flags $flags", $other, "SELECT REPEAT('x', 100000)");
    }
    $other = connect($settings);
    show('killed', connect($settings)->query('KILL ' . $other->thread_id));
    refuse('gone', 2006, fn () => ask('', $other, 'SELECT 1'));
    refuse('wrong password', 1045, fn () => connect(['password' => 'wrong'] + $settings));
    refuse('unknown database', 1049, fn () => connect(['database' => 'absent'] + $settings));
}

$connection = connect($settings);
foreach (["SET time_zone = '+00:00'", ...$settings['setup'], ...$settings['everything']] as $statement) {
    $connection->query($statement);
}
types($connection, $settings);
writes($connection);
several($connection);
big_values($connection, $settings['blob_bytes']);
housekeeping(connect($settings), $settings);

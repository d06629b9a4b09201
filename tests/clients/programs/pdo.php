<?php
// A session of each kind with PDO: emulated and real prepared statements, buffered and unbuffered.
declare(strict_types=1);
require __DIR__ . '/transcript.php';

$settings = read_settings();

function connect(array $settings, array $options = [], string $charset = 'utf8mb4'): PDO
{
    $tls = $settings['tls'] ? [PDO::MYSQL_ATTR_SSL_VERIFY_SERVER_CERT => false, PDO::MYSQL_ATTR_SSL_CIPHER => 'HIGH'] : [];
    $address = "mysql:host={$settings['host']};port={$settings['port']};dbname={$settings['database']};charset=$charset";
    $usual = [PDO::MYSQL_ATTR_LOCAL_INFILE => true, PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_NUM];
    return new PDO($address, $settings['user'], $settings['password'], $options + $usual + $tls);
}

function ask(string $title, PDO $connection, string $statement, array $parameters = []): void
{
    $reply = $connection->prepare($statement);
    foreach (array_values($parameters) as $number => $value) {
        $kind = match (true) {
            is_null($value) => PDO::PARAM_NULL,
            is_bool($value) => PDO::PARAM_BOOL,
            is_int($value) => PDO::PARAM_INT,
            default => PDO::PARAM_STR,
        };
        $reply->bindValue($number + 1, $value, $kind);
    }
    $reply->execute();
    do {
        $columns = array_map($reply->getColumnMeta(...), array_keys(array_fill(0, $reply->columnCount(), 0)));
        $rows = $reply->columnCount() ? $reply->fetchAll() : null;
        show($title, [$columns, $rows, $reply->rowCount(), $connection->lastInsertId()]);
    } while ($reply->nextRowset());
}

function run_all(PDO $connection, array $statements): void
{
    foreach ($statements as $statement) {
        $connection->exec($statement);
    }
}

function types(PDO $connection, string $kind, bool $vectors): void
{
    foreach ($vectors ? ['everything', 'vectors'] : ['everything'] as $table) {
        ask("$kind $table", $connection, "SELECT * FROM $table WHERE id < ? ORDER BY id", [9]);
    }
    ask("$kind nothing", $connection, 'SELECT * FROM everything WHERE FALSE');
    ask("$kind many rows", $connection, MANY_ROWS);
    foreach (PARAMETERS as $number => $value) {
        ask("$kind parameter $number", $connection, 'SELECT ? AS value', [$value]);
    }
}

function writes(PDO $connection, string $kind): void
{
    $insert = 'INSERT INTO users (email, name) VALUES (?, ?)';
    $connection->beginTransaction();
    ask("$kind insert", $connection, $insert, ["$kind@x", "\u{1f600}"]);
    $connection->rollBack();
    ask("$kind insert again", $connection, $insert, ["$kind@x", null]);
    refuse("$kind duplicate", 1062, fn () => ask('', $connection, $insert, ["$kind@x", 'B']));
    refuse("$kind syntax", 1064, fn () => ask('', $connection, 'SELEC ?', [1]));
    refuse("$kind no table", 1146, fn () => ask('', $connection, 'SELECT * FROM absent'));
    $many = $connection->prepare('INSERT INTO numbers VALUES (?, ?)');
    $first = abs(crc32($kind)) % 100000;
    foreach (range(0, 9) as $n) {
        $many->execute([$first + $n, "number $n"]);
    }
    show("$kind again", [$many->rowCount(), $many->errorInfo()]);
    refuse("$kind again the same", 1062, fn () => $many->execute([$first, '']));
    ask("$kind warning", $connection, "SELECT 1 / 0, CAST('1x' AS SIGNED)");
    show("$kind warnings", $connection->query('SHOW WARNINGS')->fetchAll());
}

function several(PDO $connection, string $kind, bool $batches): void
{
    if ($batches) {
        ask("$kind batch", $connection, 'SELECT 1 AS a; UPDATE users SET visits = visits + 1; SELECT 2, NULL');
    }
    ask("$kind set", $connection, 'SET @b = 21');
    ask("$kind call", $connection, 'CALL double_it(?, @b, @c)', [7]);
    ask("$kind called", $connection, 'SELECT @b, @c');
    refuse("$kind late failure", 1062, fn () => ask('', $connection, 'CALL fail_late()'));
    ask("$kind alive", $connection, "SELECT 'alive'");
}

function big_values(PDO $connection, string $kind, int $size): void
{
    $id = abs(crc32($kind)) % 100000;
    ask("$kind big insert", $connection, 'INSERT INTO files VALUES (?, ?, ?)', [$id, blob($size), str_repeat('é', 70000)]);
    ask("$kind big row", $connection, 'SELECT * FROM files WHERE id = ?', [$id]);
}

function housekeeping(array $settings, PDO $connection): void
{
    $connection->exec('DELETE FROM numbers');
    show('load data', $connection->exec("LOAD DATA LOCAL INFILE '{$settings['file']}' INTO TABLE numbers"));
    show('its warnings', $connection->query('SHOW WARNINGS')->fetchAll());
    show('loaded', $connection->query('SELECT * FROM numbers ORDER BY n')->fetchAll());
    foreach ([false, true] as $found) {
        $other = connect($settings, [PDO::MYSQL_ATTR_FOUND_ROWS => $found]);
        show("no change, found rows " . (int) $found, $other->exec('UPDATE users SET name = name'));
    }
    foreach (['latin1', 'utf8mb4'] as $charset) {
        ask($charset, connect($settings, [], $charset), "SELECT ?, @@character_set_client", ["\xe4"]);
    }
    ask('compressed', connect($settings, [PDO::MYSQL_ATTR_COMPRESS => true]), "SELECT REPEAT('x', 100000)");
    ask('init', connect($settings, [PDO::MYSQL_ATTR_INIT_COMMAND => 'SET @kept = 7']), 'SELECT @kept');
    foreach ([PDO::ATTR_SERVER_VERSION, PDO::ATTR_CLIENT_VERSION, PDO::ATTR_AUTOCOMMIT] as $attribute) {
        show("attribute $attribute", $connection->getAttribute($attribute));
    }
    refuse('wrong password', 1045, fn () => connect(['password' => 'wrong'] + $settings));
    refuse('unknown database', 1049, fn () => connect(['database' => 'absent'] + $settings));
}

$connection = connect($settings);
run_all($connection, ["SET time_zone = '+00:00'", ...$settings['setup'], ...$settings['everything']]);
foreach ([true, false] as $emulated) {
    foreach ([true, false] as $buffered) {
        $kind = ($emulated ? 'emulated' : 'prepared') . ($buffered ? ' buffered' : ' unbuffered');
        $own = connect($settings, [
            PDO::ATTR_EMULATE_PREPARES => $emulated,
            PDO::MYSQL_ATTR_USE_BUFFERED_QUERY => $buffered,
        ]);
        $own->exec("SET time_zone = '+00:00'");
        types($own, $kind, !$settings['mariadb']);
        writes($own, $kind);
        several($own, $kind, $emulated);
        big_values($own, $kind, $settings['blob_bytes']);
    }
}
housekeeping($settings, $connection);

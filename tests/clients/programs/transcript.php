<?php
// What the PHP programs print: each step's title with what came of it, the same on every run.
declare(strict_types=1);
error_reporting(E_ALL & ~E_DEPRECATED);
ini_set('display_errors', 'stderr');
ini_set('precision', '17');

const LONGEST = 300;
const MANY_ROWS = 'WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 1000) SELECT n FROM r';
const PARAMETERS = [
    null, true, 0, -1, PHP_INT_MAX, 0.1, -1e300, 'text', '', "it's \\ \" % \u{1f600}", "\x00\xff'\\\x1a",
];

set_error_handler(function (int $level, string $text): bool {
    if (error_reporting() & $level) {
        show('PHP says', $text);
    }
    return true;
});

function read_settings(): array
{
    return json_decode(stream_get_contents(STDIN), true, 512, JSON_THROW_ON_ERROR);
}

function show(string $title, mixed $value): void
{
    echo $title, ': ', strtr(var_export(plain($value), true), ["\n" => '']), "\n";
}

/** Returns a value in which long and binary texts are replaced by what prints. */
function plain(mixed $value): mixed
{
    if (is_string($value) && strlen($value) > LONGEST) {
        return strlen($value) . ' of ' . hash('sha256', $value);
    }
    if (is_string($value) && !mb_valid($value)) {
        return 'bytes ' . bin2hex($value);
    }
    return is_array($value) || $value instanceof stdClass ? array_map(plain(...), (array) $value) : $value;
}

function mb_valid(string $text): bool
{
    return preg_match('//u', $text) === 1;
}

function blob(int $size): string
{
    $letters = '';
    for ($n = 0; $n < 256; $n++) {
        $letters .= chr($n * 7 % 256);
    }
    return substr(str_repeat($letters, intdiv($size, 256) + 1), 0, $size);
}

/** Shows the error with which an action fails; throws if it is not the one with this number. */
function refuse(string $title, int $number, callable $action): void
{
    try {
        $action();
    } catch (PDOException $error) {
        if (($error->errorInfo[1] ?? $error->getCode()) !== $number) {
            throw $error;
        }
        show($title, [$error->getMessage(), $error->getCode(), $error->errorInfo]);
        return;
    } catch (mysqli_sql_exception $error) {
        if ($error->getCode() !== $number) {
            throw $error;
        }
        show($title, [$error->getMessage(), $error->getCode(), $error->getSqlState()]);
        return;
    }
    throw new LogicException("$title ended well and not with error $number");
}

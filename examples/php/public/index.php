<?php
/*
 * A table from pasted CSV, in plain PHP. No Dockerfile: `carrack deploy examples/php -a NAME` makes one. GREETING is
 * what the page says first.
 */
declare(strict_types=1);

require __DIR__ . '/../table.php';

$greeting = getenv('GREETING') ?: 'Paste some CSV';
$text = (string)($_POST['csv'] ?? '');
header("Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; form-action 'self'");
?>
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>CSV</title>
<style>td { border: 1px solid; padding: .2em .5em }</style>
<h1><?= escape($greeting) ?></h1>
<form method="post">
	<textarea name="csv" rows="8" cols="60"><?= escape($text) ?></textarea>
	<button>Show</button>
</form>
<?= table($text) ?>

<?php
// What PHP has always done: publish to a Redis channel, and be told how many heard it. That
// is one for each node of Barrage, however many viewers each has.
$redis = new Redis();
$redis->connect('127.0.0.1', (int) (getenv('REDIS_PORT') ?: 6390));
var_dump($redis->publish('channel', $argv[1] ?? 'hello from PHP'));   // int(1)

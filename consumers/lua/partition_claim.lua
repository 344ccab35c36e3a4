-- Take a partition over: a new token fences every earlier owner. Returns what is stored.
-- KEYS: prefix..'m'; ARGV: token, number of buckets for a new partition
local meta, prefix = KEYS[1], string.sub(KEYS[1], 1, -2)
redis.call('HSET', meta, 'token', ARGV[1])
redis.call('HSETNX', meta, 'buckets', ARGV[2])
local state = redis.call('HMGET', meta, 'po', 'lo', 'seq', 'clocks', 'tables', 'topics')
return {state, redis.call('HGETALL', prefix .. 't'), redis.call('HGETALL', prefix .. 'n')}

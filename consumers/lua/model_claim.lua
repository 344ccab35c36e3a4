-- Take a model's evaluation over. KEYS: prefix..'m'; ARGV: token
redis.call('HSET', KEYS[1], 'token', ARGV[1])
return redis.call('HMGET', KEYS[1], 'seq', 'state', 'profile')

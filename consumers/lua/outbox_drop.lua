-- Remove published records from the front of an outbox, if the caller still owns it.
-- KEYS: prefix..'m', prefix..'o'; ARGV: token, count
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
redis.call('LTRIM', KEYS[2], ARGV[2], -1)
return 1

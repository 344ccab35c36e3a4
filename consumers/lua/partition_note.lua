-- Write down the topics' ids and what is wrong with a partition, if the caller still owns it.
-- KEYS: prefix..'m'
-- ARGV: token, ids or '', number of arguments that raise, then field and notice of each, then fields to clear
local meta, notices = KEYS[1], string.sub(KEYS[1], 1, -2) .. 'n'
if redis.call('HGET', meta, 'token') ~= ARGV[1] then return 0 end
if ARGV[2] ~= '' then redis.call('HSET', meta, 'topics', ARGV[2]) end
local last = 3 + tonumber(ARGV[3])
for i = 4, last, 2 do redis.call('HSET', notices, ARGV[i], ARGV[i + 1]) end
for i = last + 1, #ARGV do redis.call('HDEL', notices, ARGV[i]) end
return 1

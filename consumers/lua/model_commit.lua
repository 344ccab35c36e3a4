-- Apply one evaluation: validate first, then write, the sequence last.
-- KEYS: prefix..'m', prefix..'o', prefix..'h', prefix..'c'
-- ARGV: token, old sequence, state, history length, start of the last closed window, hash and text of a learned
-- profile ('' leaves what there is, '-' lets it go), number of events, of changed and of forgotten fields of the past, then the events, fields
-- and values, fields, and history records
local state = redis.call('HMGET', KEYS[1], 'token', 'seq', 'state')
if state[1] ~= ARGV[1] then return 'fenced' end
local seq, old = tonumber(state[2] or '0'), tonumber(ARGV[2])
if seq == old + 1 and state[3] == ARGV[3] then return 'already' end
if seq ~= old then return 'mismatch' end
local last_event = 10 + tonumber(ARGV[8])
for i = 11, last_event do redis.call('RPUSH', KEYS[2], ARGV[i]) end
local last_value = last_event + 2 * tonumber(ARGV[9])
for i = last_event + 1, last_value, 2 do redis.call('HSET', KEYS[4], ARGV[i], ARGV[i + 1]) end
local last_field = last_value + tonumber(ARGV[10])
for i = last_value + 1, last_field do redis.call('HDEL', KEYS[4], ARGV[i]) end
for i = last_field + 1, #ARGV do redis.call('LPUSH', KEYS[3], ARGV[i]) end
redis.call('LTRIM', KEYS[3], 0, tonumber(ARGV[4]) - 1)
if ARGV[6] == '-' then redis.call('HDEL', KEYS[1], 'reference', 'profile')
elseif ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'reference', ARGV[6], 'profile', ARGV[7]) end
redis.call('HSET', KEYS[1], 'state', ARGV[3], 'closed', ARGV[5], 'seq', old + 1)
return 'committed'

-- Apply one micro-batch: validate first, then write, the position last. A script is isolated but not
-- rolled back on error, so nothing may fail between the first write and the last.
-- KEYS: prefix..'m'
-- ARGV: token, old po, old lo, old seq, new po, new lo, new seq, clocks, tables or '', bytes per id,
--       entries (id, 2 bytes length, value)*, sweep, window TTL in ms, number of windows, of totals, of
--       dead letters, then these one after the other (flat: cmsgpack does not know binary strings)
local meta, prefix, call, sub = KEYS[1], string.sub(KEYS[1], 1, -2), redis.call, string.sub
local state = call('HMGET', meta, 'token', 'po', 'lo', 'seq', 'buckets')
if state[1] ~= ARGV[1] then return 'fenced' end
-- With no position stored, the first commit begins where it likes; any later one was built on what is lost.
local po, lo, seq = state[2] or ARGV[2], state[3] or ARGV[3], state[4] or '0'
if po == ARGV[5] and lo == ARGV[6] and seq == ARGV[7] then return 'already' end
if po ~= ARGV[2] or lo ~= ARGV[3] or seq ~= ARGV[4] then return 'mismatch' end
local buckets = tonumber(state[5])
local sweep, ttl = cmsgpack.unpack(ARGV[12]), ARGV[13]

local width, entries, at = tonumber(ARGV[10]), ARGV[11], 1
while at <= #entries do
  local id = sub(entries, at, at + width - 1)
  local size = string.byte(entries, at + width) + 256 * string.byte(entries, at + width + 1)
  at = at + width + 2
  call('HSET', prefix .. 'e:' .. struct.unpack('<I4', id) % buckets, id, sub(entries, at, at + size - 1))
  at = at + size
end
local next = 17
for _ = 1, tonumber(ARGV[14]) do -- name of model and stream, start, field, summary
  local key = prefix .. 'w:' .. ARGV[next] .. ':' .. ARGV[next + 1]
  call('HSET', key, ARGV[next + 2], ARGV[next + 3])
  call('PEXPIRE', key, ttl)
  call('ZADD', prefix .. 'i:' .. ARGV[next], ARGV[next + 1], ARGV[next + 1])
  next = next + 4
end
for _ = 1, tonumber(ARGV[15]) do -- field, counters or figures
  call('HSET', prefix .. 't', ARGV[next], ARGV[next + 1])
  next = next + 2
end
for _ = 1, tonumber(ARGV[16]) do
  call('RPUSH', prefix .. 'o', ARGV[next])
  next = next + 1
end
if sweep[1] then -- first bucket part, number of parts, whole, life in ms, {code, cutoff}*
  local cutoff = {}
  for _, c in ipairs(sweep[5]) do cutoff[c[1]] = c[2] end
  local from = math.floor(sweep[1] * buckets / sweep[3])
  local to = math.floor((sweep[1] + sweep[2]) * buckets / sweep[3])
  for number = from, to - 1 do
    local key = prefix .. 'e:' .. number % buckets
    local stored = call('HGETALL', key)
    for i = 1, #stored, 2 do
      local _, code, low, high = struct.unpack('<BHI4H', stored[i + 1])
      local limit = cutoff[code]
      if limit and low + high * 4294967296 < limit then call('HDEL', key, stored[i]) end
    end
    if #stored > 0 then call('PEXPIRE', key, sweep[4]) end
  end
end
if ARGV[9] ~= '' then call('HSET', meta, 'tables', ARGV[9]) end
call('HSET', meta, 'clocks', ARGV[8], 'po', ARGV[5], 'lo', ARGV[6], 'seq', ARGV[7])
return 'committed'

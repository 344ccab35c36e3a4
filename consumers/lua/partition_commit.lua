-- Apply one micro-batch: validate first, then write, the position last. A script is isolated but not
-- rolled back on error, so nothing may fail between the first write and the last.
-- KEYS: prefix..'m'
-- ARGV: token, old po, old lo, old seq, new po, new lo, new seq, clocks, tables or '', bytes per id,
--       entries (id, 2 bytes length, value)*, sweep, window TTL in ms, number of windows, of totals, of
--       dead letters, entries per bucket, entry TTL in ms, number of cohorts, their TTL in ms, then the windows,
--       totals, dead letters and cohorts one after the other (flat: cmsgpack does not know binary strings)
local meta, prefix, call, sub = KEYS[1], string.sub(KEYS[1], 1, -2), redis.call, string.sub
local unpack4 = struct.unpack
local state = call('HMGET', meta, 'token', 'po', 'lo', 'seq', 'buckets', 'split', 'n')
if state[1] ~= ARGV[1] then return 'fenced' end
-- With no position stored, the first commit begins where it likes; any later one was built on what is lost.
local po, lo, seq = state[2] or ARGV[2], state[3] or ARGV[3], state[4] or '0'
if po == ARGV[5] and lo == ARGV[6] and seq == ARGV[7] then return 'already' end
if po ~= ARGV[2] or lo ~= ARGV[3] or seq ~= ARGV[4] then return 'mismatch' end
local sweep, ttl, load, life = cmsgpack.unpack(ARGV[12]), ARGV[13], tonumber(ARGV[17]), ARGV[18]

-- Linear hashing: of `base` buckets (a power of two) the first `split` are parted already, each in two.
local base, split, count = tonumber(state[5]), tonumber(state[6] or '0'), tonumber(state[7] or '0')
local width, entries, at, before = tonumber(ARGV[10]), ARGV[11], 1, count
while at <= #entries do
  local id = sub(entries, at, at + width - 1)
  local size = string.byte(entries, at + width) + 256 * string.byte(entries, at + width + 1)
  at = at + width + 2
  local hash = unpack4('<I4', id)
  local number = hash % base
  if number < split then number = hash % (2 * base) end
  count = count + call('HSET', prefix .. 'e:' .. number, id, sub(entries, at, at + size - 1))
  at = at + size
end
local added, next = count - before, 21
for _ = 1, tonumber(ARGV[14]) do -- name of model and stream, start, field, summary, how far ahead it lies in ms
  local key = prefix .. 'w:' .. ARGV[next] .. ':' .. ARGV[next + 1]
  call('HSET', key, ARGV[next + 2], ARGV[next + 3])
  call('PEXPIRE', key, ttl + ARGV[next + 4])
  call('ZADD', prefix .. 'i:' .. ARGV[next], ARGV[next + 1], ARGV[next + 1])
  next = next + 5
end
for _ = 1, tonumber(ARGV[15]) do -- field, counters or figures
  call('HSET', prefix .. 't', ARGV[next], ARGV[next + 1])
  next = next + 2
end
for _ = 1, tonumber(ARGV[16]) do
  call('RPUSH', prefix .. 'o', ARGV[next])
  next = next + 1
end
for _ = 1, tonumber(ARGV[19]) do -- model, start, difference
  local key = prefix .. 'c:' .. ARGV[next] .. ':' .. ARGV[next + 1]
  call('RPUSH', key, ARGV[next + 2])
  call('PEXPIRE', key, ARGV[20])
  call('ZADD', prefix .. 'd:' .. ARGV[next], ARGV[next + 1], ARGV[next + 1])
  next = next + 3
end
if sweep[1] then -- {part}*, {code, cutoff}*: bucket numbers modulo 65,536, see redis_buckets.py
  local cutoff = {}
  for _, c in ipairs(sweep[2]) do cutoff[c[1]] = c[2] end
  for _, part in ipairs(sweep[1]) do
    for number = part, base + split - 1, 65536 do
      local key = prefix .. 'e:' .. number
      local stored = call('HGETALL', key)
      for i = 1, #stored, 2 do
        local _, code, low, high = unpack4('<BHI4H', stored[i + 1])
        local limit = cutoff[code]
        if limit and low + high * 4294967296 < limit then count = count - call('HDEL', key, stored[i]) end
      end
      if #stored > 0 then call('PEXPIRE', key, life) end
    end
  end
end

local function fill(key, fields) -- in pieces: Lua unpacks no more than a few thousand values
  for first = 1, #fields, 100 do
    call('HSET', key, unpack(fields, first, math.min(first + 99, #fields)))
  end
  if #fields > 0 then call('PEXPIRE', key, life) end
end
-- Growing is paid for by the commits that add; a partition of an older form catches up over many commits.
local moves = 2000 + 4 * added
while count > load * (base + split) and moves > 0 do
  local key, stay, go = prefix .. 'e:' .. split, {}, {}
  local stored = call('HGETALL', key)
  for i = 1, #stored, 2 do
    local half = unpack4('<I4', stored[i]) % (2 * base) == split and stay or go
    half[#half + 1] = stored[i]
    half[#half + 1] = stored[i + 1]
  end
  call('DEL', key) -- a hash that has lost its compact form gets it back only by being written anew
  fill(key, stay)
  fill(prefix .. 'e:' .. base + split, go)
  moves, split = moves - #stored / 2 - 1, split + 1
  if split == base then base, split = 2 * base, 0 end
end
if ARGV[9] ~= '' then call('HSET', meta, 'tables', ARGV[9]) end
call('HSET', meta, 'buckets', base, 'split', split, 'n', count)
call('HSET', meta, 'clocks', ARGV[8], 'po', ARGV[5], 'lo', ARGV[6], 'seq', ARGV[7])
return 'committed'

-- take.lua: a reader takes the next events of its group, and those that another one took and has not done in time: it may be lost. Where one
-- reader is to work alone, the first one that asks does so until it is silent; the others are given events only if many wait.
-- uses clock
-- uses full
-- uses events/trim
-- KEYS[1]   events   stream
-- KEYS[2]   telling  hash
-- ARGV      name of the reader, how many entries at most, after how long an entry is taken from another reader ms, the group, from how many bytes of
--           events on all its readers work, or -1 if they always do, 'own' (only what this reader took before) or ''
-- returns   {{<entry>, {<a kind, or its ids> *}} *} | 'off' (nobody listens: call listen.lua)
-- cost      O(entries); the caller bounds how many
-- moves     none
-- again     another answer, changes only telling: entries stay until they are done
-- memory    works in a full Redis: the first write is HDEL
local LEADS_MS = 5000
if redis.call('EXISTS', KEYS[1]) == 0 or not groups_of(KEYS[1])[ARGV[4]] then return 'off' end
free_first(KEYS[2])
local out, most = {}, tonumber(ARGV[2])

local function add(entries)
  for _, entry in ipairs(entries) do
    -- Redis 6.2 also gives those that have left.
    if entry and entry[2] then out[#out + 1] = entry end
  end
end

if ARGV[6] == 'own' then
  local own = redis.call('XREADGROUP', 'GROUP', ARGV[4], ARGV[1], 'COUNT', most, 'STREAMS', KEYS[1], '0')
  if own then add(own[1][2]) end
  return out
end

local help = tonumber(ARGV[5])
if help >= 0 then
  local field, now = 'lead|' .. ARGV[4], now_ms()
  local v = redis.call('HMGET', KEYS[2], field, 'bytes')
  local lead, till = string.match(v[1] or '', '^(%S+) (%d+)$')
  if not lead or lead == ARGV[1] or tonumber(till) <= now then
    redis.call('HSET', KEYS[2], field, ARGV[1] .. ' ' .. string.format('%.0f', now + LEADS_MS))
  elseif tonumber(v[2] or 0) < help then
    return out
  end
end
add(redis.call('XAUTOCLAIM', KEYS[1], ARGV[4], ARGV[1], ARGV[3], '0-0', 'COUNT', most)[2])
if #out < most then
  local new = redis.call('XREADGROUP', 'GROUP', ARGV[4], ARGV[1], 'COUNT', most - #out, 'STREAMS', KEYS[1], '>')
  if new then add(new[1][2]) end
end
return out

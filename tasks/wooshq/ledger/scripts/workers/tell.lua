-- tell.lua: a worker tells how it is, and what has ended in it since it told last. It does so every two seconds.
-- uses clock
-- uses full
-- KEYS[1]   workers      zset
-- KEYS[2]   worker:<id>  hash
-- KEYS[3]   minutes      hash
-- KEYS[4]   tens         hash
-- ARGV      id, number of this telling (each has another one), its card (JSON; '' if it ends), how long the card is kept ms, then two per lane in
--           which something has ended: lane, numbers separated by blanks (what they count: see `Ends`; the first and the fifth are sent)
-- returns   1
-- cost      O(lanes + log workers)
-- moves     none
-- again     same answer, changes nothing: the number of this telling is known
-- memory    works in a full Redis: the first write is HDEL

-- Each hash is a ring: a field for each of the last minutes (or tens of minutes) of a lane, whose value begins with the number of the minute.
local RING = 180

local function add(key, lane, slot, numbers)
  local field = lane .. ' ' .. slot % RING
  local first, sums = nil, {}
  for n in string.gmatch(redis.call('HGET', key, field) or '', '%d+') do
    if first then sums[#sums + 1] = tonumber(n) else first = tonumber(n) end
  end
  if first ~= slot then sums = {} end
  local out, i = {string.format('%.0f', slot)}, 0
  for n in string.gmatch(numbers, '%d+') do
    i = i + 1
    out[i + 1] = string.format('%.0f', tonumber(n) + (sums[i] or 0))
  end
  redis.call('HSET', key, field, table.concat(out, ' '))
end

if redis.call('HGET', KEYS[2], 'n') == ARGV[2] then return 1 end
local now = now_ms()
free_first(KEYS[2])
redis.call('HSET', KEYS[2], 'n', ARGV[2], 'card', ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
if ARGV[3] == '' then redis.call('ZREM', KEYS[1], ARGV[1]) else redis.call('ZADD', KEYS[1], now, ARGV[1]) end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[4], 'LIMIT', 0, 100)) do redis.call('ZREM', KEYS[1], id) end
for i = 5, #ARGV, 2 do
  add(KEYS[3], ARGV[i], math.floor(now / 60000), ARGV[i + 1])
  add(KEYS[4], ARGV[i], math.floor(now / 600000), ARGV[i + 1])
  local sent, of_jobs = string.match(ARGV[i + 1], '^(%d+) %d+ %d+ %d+ (%d+)')
  if sent and tonumber(sent) + tonumber(of_jobs) > 0 then redis.call('HSET', KEYS[3], ARGV[i] .. ' sent_at', now) end
end
return 1

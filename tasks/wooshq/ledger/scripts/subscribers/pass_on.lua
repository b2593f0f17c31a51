-- pass_on.lua: a reader passes on what the stream of events told, as events for everybody who wants them: each entry once. Events that are too old,
-- or too many, leave; who had not received them is not given them any more, and that is counted.
-- uses clock
-- uses full
-- uses events/trim
-- KEYS[1]   events         stream
-- KEYS[2]   telling        hash
-- KEYS[3]   outward        stream
-- KEYS[4]   outward_state  hash
-- KEYS[5]   subscribers    zset
-- ARGV      name of the reader, bytes of events at most, how long an event is kept ms, the only subscriber that gets it or '', how many entries,
--           then one entry each, then two per event: its type and its text
-- derived   subscriber:<subscriber>, subscriber:<subscriber>:due, subscriber:<subscriber>:tries
-- returns   {<the place of an event in the stream> *} | 'lost' (another reader has one of the entries, or had it)
-- cost      O(entries + events × subscribers × log events); the caller bounds how many
-- moves     none
-- again     another answer, changes only outward, outward_state, subscriber:<subscriber> and subscriber:<subscriber>:due: entries are passed on once, but a test without entries is another test
-- memory    works in a full Redis: the first write is HDEL
local GROUP = 'outward'
local MOST_TRIMMED = 500
local now = now_ms()
local most, keep_ms, only, n = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local prefix = string.match(KEYS[1], '^[^}]*}:')
local names = {}
for i = 6, n + 5 do
  local held = redis.pcall('XPENDING', KEYS[1], GROUP, ARGV[i], ARGV[i], 1)
  if held.err or not held[1] or held[1][2] ~= ARGV[1] then return 'lost' end
  names[#names + 1] = ARGV[i]
end
free_first(KEYS[2])
local subscribers = {}
for _, name in ipairs(redis.call('ZRANGE', KEYS[5], 0, -1)) do
  local key = prefix .. 'subscriber:' .. name
  subscribers[#subscribers + 1] = {name = name, key = key, types = ' ' .. (redis.call('HGET', key, 'types') or '') .. ' '}
end

local function wants(one, type)
  if only ~= '' then return one.name == only end
  return one.types == '  ' or string.find(one.types, ' ' .. type .. ' ', 1, true)
end

local out, bytes = {}, 0
for i = n + 6, #ARGV, 2 do
  local entry = redis.call('XADD', KEYS[3], '*', ARGV[i], ARGV[i + 1])
  bytes = bytes + #ARGV[i] + #ARGV[i + 1] + 24
  for _, one in ipairs(subscribers) do
    if wants(one, ARGV[i]) then redis.call('ZADD', one.key .. ':due', now, entry) end
  end
  out[#out + 1] = entry
end
done(KEYS[1], KEYS[2], GROUP, names)

bytes = redis.call('HINCRBY', KEYS[4], 'bytes', bytes)
local function leave(entry, size)
  redis.call('XDEL', KEYS[3], entry)
  redis.call('HSET', KEYS[4], 'begins', entry)
  bytes = bytes - size
  for _, one in ipairs(subscribers) do
    if redis.call('ZREM', one.key .. ':due', entry) == 1 then
      redis.call('HDEL', one.key .. ':tries', entry)
      redis.call('HINCRBY', one.key, 'dropped', 1)
      redis.call('HSET', one.key, 'dropped_at', now)
      redis.call('HINCRBY', KEYS[4], 'dropped', 1)
    end
  end
end
for _, entry in ipairs(redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', MOST_TRIMMED)) do
  if bytes <= most and tonumber(string.match(entry[1], '^%d+')) >= now - keep_ms then break end
  leave(entry[1], #entry[2][1] + #entry[2][2] + 24)
end
redis.call('HSET', KEYS[4], 'bytes', redis.call('XLEN', KEYS[3]) == 0 and 0 or bytes)
return out

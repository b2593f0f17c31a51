-- claim.lua: a worker takes intents for the length of a lease. Nobody else can send them meanwhile.
-- uses clock
-- KEYS[1]   leases                zset
-- KEYS[2]   taken                 hash
-- KEYS[3]   queued:transactional  zset
-- KEYS[4]   queued:bulk           zset
-- KEYS[5…]  intent:<id>           hash, one per intent
-- ARGV      token of this call, length of the lease ms, bytes of bodies at most (one body is always taken), then one id per intent
-- returns   {<now, ms>, {<id>, <body>, <v>, <lane>, <app>, <accepted, ms>, <expires, ms or ''>, <fence>, <lost>, <attempts>, <rounds>, <calls without an answer>,
--             <how long it waited for gates and slots, ms>} |
--            {<id>, 'left' (the bytes were used up) | 'gone' | <state> (not claimed)} *}, one per intent after the time
-- cost      O(intents × log queued); the caller bounds how many
-- moves     intent queued → sending (claimed)
-- again     same answer but the time, changes nothing: the token is in the row
-- memory    works in a full Redis: the first write is ZREM
local now = now_ms()
local out = {now}
local room = tonumber(ARGV[3])

local function claim(id, row)
  local v = redis.call('HMGET', row, 'state', 'body', 'v', 'lane', 'app', 'at', 'expires', 'lease', 'fence', 'lost', 'n', 'rounds', 'doubts',
    'waited_ms')
  if v[1] == 'queued' then
    local queued = v[4] == 'bulk' and KEYS[4] or KEYS[3]
    local since = redis.call('ZSCORE', queued, id)
    redis.call('ZREM', queued, id)
    if since and tonumber(since) > tonumber(redis.call('HGET', KEYS[2], v[4]) or 0) then
      redis.call('HSET', KEYS[2], v[4], since)
    end
    v[9] = tostring(tonumber(v[9] or 0) + 1)
    redis.call('HSET', row, 'state', 'sending', 'lease', ARGV[1], 'fence', v[9])
    redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), id)
  elseif v[1] ~= 'sending' or v[8] ~= ARGV[1] then
    return {id, v[1] or 'gone'}
  end
  room = room - #v[2]
  return {id, v[2], v[3], v[4], v[5], v[6], v[7] or '', v[9], v[10] or '0', v[11] or '0', v[12] or '0', v[13] or '0', v[14] or '0'}
end

for i = 4, #ARGV do
  out[#out + 1] = room > 0 and claim(ARGV[i], KEYS[i + 1]) or {ARGV[i], 'left'}
end
return out

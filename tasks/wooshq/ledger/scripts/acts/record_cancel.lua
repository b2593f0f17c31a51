-- record_cancel.lua: records what the API answered to a request to cancel a message.
-- uses clock
-- uses full
-- uses events/ended
-- KEYS[1]   intent:<id>  hash
-- KEYS[2]   cancels      zset
-- KEYS[3]   counts       hash
-- ARGV      id, token, 'cancelled' | 'refused' | 'unknown' | 'again', the answer in words, 1 if the API answered this request (else 0),
--           how long to wait before the next request ms
-- derived   events, telling
-- returns   'recorded' | 'lost' (another process took it over, or it has ended) | 'gone'
-- cost      O(log cancels)
-- moves     none
-- again     same answer, changes nothing: the token stays in the row
-- memory    works in a full Redis: the first write is HDEL
free_first(KEYS[3])
local v = redis.call('HMGET', KEYS[1], 'cancel', 'cancel_token', 'cancel_last')
if not v[1] then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return 'gone'
end
if v[3] == ARGV[2] then return 'recorded' end
-- `cancelled` is proof: it counts even if another process took over meanwhile, and was told that nothing is left to cancel.
local proof = ARGV[3] == 'cancelled' and v[1] ~= 'cancelled'
if not proof and (v[1] ~= 'asked' or v[2] ~= ARGV[2]) then return 'lost' end
local now = now_ms()
redis.call('HSET', KEYS[1], 'cancel_last', ARGV[2], 'cancel_detail', ARGV[4])
redis.call('HDEL', KEYS[1], 'cancel_token')
if ARGV[3] == 'again' then
  if ARGV[5] == '1' then redis.call('HINCRBY', KEYS[1], 'cancel_lost', -1) end
  redis.call('ZADD', KEYS[2], now + ARGV[6], ARGV[1])
else
  redis.call('HSET', KEYS[1], 'cancel', ARGV[3], 'cancel_answered', now)
  redis.call('ZREM', KEYS[2], ARGV[1])
  if ARGV[3] == 'cancelled' then redis.call('HINCRBY', KEYS[3], 'cancelled_at_pushwoosh', 1) end
  tell_again(KEYS[1], 'sent', ARGV[1], now)
  tell_all(now)
end
return 'recorded'

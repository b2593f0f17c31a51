-- record.lua: what became of deliveries to a subscriber, all in the same way.
-- uses clock
-- uses full
-- KEYS[1]   subscriber:<subscriber>        hash
-- KEYS[2]   subscriber:<subscriber>:due    zset
-- KEYS[3]   subscriber:<subscriber>:tries  hash
-- KEYS[4]   subscriber:<subscriber>:log    list
-- KEYS[5]   outward_state                  hash
-- ARGV      'delivered' | 'failed' | 'dropped' (it is not tried again), when it is tried again ms from now, after how many failures in a row the
--           subscriber is left alone, for how long at first ms and at most ms, why it is paused now or '', after how long without a success it is
--           paused anyway ms, how many deliveries the log keeps, what went wrong or '', then two per event: its place in the stream, and what the log says
-- returns   'gone' | <its state now>
-- cost      O(events × log events)
-- moves     none
-- again     another answer, changes only outward_state, subscriber:<subscriber>, subscriber:<subscriber>:due, subscriber:<subscriber>:tries and subscriber:<subscriber>:log: it counts twice
-- memory    works in a full Redis: the first write is HDEL
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'gone' end
local now, n, counted = now_ms(), 0, 0
free_first(KEYS[1])
for i = 10, #ARGV, 2 do
  n = n + 1
  redis.call('LPUSH', KEYS[4], ARGV[i + 1])
  if ARGV[1] == 'failed' then
    if redis.call('ZSCORE', KEYS[2], ARGV[i]) then
      redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[i])
      redis.call('HINCRBY', KEYS[3], ARGV[i], 1)
    end
  else
    counted = counted + redis.call('ZREM', KEYS[2], ARGV[i])
    redis.call('HDEL', KEYS[3], ARGV[i])
  end
end
redis.call('LTRIM', KEYS[4], 0, ARGV[8] - 1)
if counted > 0 then
  redis.call('HINCRBY', KEYS[1], ARGV[1], counted)
  redis.call('HINCRBY', KEYS[5], ARGV[1], counted)
  if ARGV[1] == 'dropped' then redis.call('HSET', KEYS[1], 'dropped_at', now) end
end
if ARGV[1] == 'delivered' then
  redis.call('HDEL', KEYS[1], 'streak', 'quiet_till', 'failing_since', 'failing_why')
  redis.call('HSET', KEYS[1], 'delivered_at', now)
  return state
end
redis.call('HINCRBY', KEYS[1], 'failed', n)
redis.call('HINCRBY', KEYS[5], 'failed', n)
redis.call('HSET', KEYS[1], 'failing_why', ARGV[9])
redis.call('HSETNX', KEYS[1], 'failing_since', now)
local more = redis.call('HINCRBY', KEYS[1], 'streak', 1) - ARGV[3]
if more >= 0 then redis.call('HSET', KEYS[1], 'quiet_till', now + math.min(ARGV[4] * 2 ^ math.min(more, 30), tonumber(ARGV[5]))) end
local why = ARGV[6]
if why == '' and now - redis.call('HGET', KEYS[1], 'failing_since') >= tonumber(ARGV[7]) then
  why = 'nothing could be delivered for too long: ' .. ARGV[9]
end
if why ~= '' and state == 'active' then
  state = 'paused'
  redis.call('HSET', KEYS[1], 'state', state, 'held_why', why, 'held_at', now)
end
return state

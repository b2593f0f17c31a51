-- want.lua: does anybody want events? A process that delivers them says which hooks it has, and a server with open streams that it has some.
-- uses clock
-- uses full
-- KEYS[1]   subscribers    zset
-- KEYS[2]   outward_state  hash
-- ARGV      for how long streams are open at least ms (0: not said), how long a hook that no process has is kept ms, a tag for the ids of events, if
--           there is none yet, then the hooks: 'hook/<name>'
-- derived   subscriber:<subscriber>
-- returns   {1 | 0 (nobody wants events), <tag>}
-- cost      O(subscribers)
-- moves     none
-- again     same answer, changes only subscribers and outward_state: a hook has been seen later
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local prefix = string.match(KEYS[1], '^[^}]*}:')
free_first(KEYS[2])
redis.call('HSETNX', KEYS[2], 'tag', ARGV[3])
for i = 4, #ARGV do
  redis.call('ZADD', KEYS[1], now, ARGV[i])
  redis.call('HSETNX', prefix .. 'subscriber:' .. ARGV[i], 'state', 'active')
  redis.call('HSETNX', prefix .. 'subscriber:' .. ARGV[i], 'made', now)
end
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])) do
  if string.sub(name, 1, 5) == 'hook/' then
    local key = prefix .. 'subscriber:' .. name
    redis.call('DEL', key, key .. ':due', key .. ':tries', key .. ':log')
    redis.call('ZREM', KEYS[1], name)
  end
end
local till = tonumber(redis.call('HGET', KEYS[2], 'streams_till') or 0)
if tonumber(ARGV[1]) > 0 then
  till = math.max(till, now + ARGV[1])
  redis.call('HSET', KEYS[2], 'streams_till', till)
end
local wanted = till > now or redis.call('ZCARD', KEYS[1]) > 0
return {wanted and 1 or 0, redis.call('HGET', KEYS[2], 'tag')}

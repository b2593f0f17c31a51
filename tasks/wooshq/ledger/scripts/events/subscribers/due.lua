-- due.lua: for whom is something to be delivered now?
-- uses clock
-- KEYS[1]   subscribers  zset
-- ARGV      none
-- derived   subscriber:<subscriber>, subscriber:<subscriber>:due
-- returns   {<subscriber> *}
-- cost      O(subscribers × log events)
-- moves     none
-- again     same answer, changes nothing
-- memory    works in a full Redis: it only reads
local now = now_ms()
local prefix = string.match(KEYS[1], '^[^}]*}:')
local out = {}
for _, name in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local key = prefix .. 'subscriber:' .. name
  local v = redis.call('HMGET', key, 'state', 'quiet_till')
  if v[1] == 'active' and tonumber(v[2] or 0) <= now and #redis.call('ZRANGEBYSCORE', key .. ':due', '-inf', now, 'LIMIT', 0, 1) > 0 then
    out[#out + 1] = name
  end
end
return out

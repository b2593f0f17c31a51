-- tidy.lua: takes letters out of their causes that are not open any more, because their retention is over or a worker of the version before moved
--           them; and forgets causes whose time is over.
-- uses letters/causes
-- KEYS[1]   causes  zset
-- ARGV      how many letters of each cause at most, then causes
-- derived   cause:<cause>, letter:<letter>
-- returns   <letters that were taken out>
-- cost      O(causes × letters × log letters); the caller bounds both
-- moves     none
-- again     another answer, changes only causes, cause:<cause> and cause:<cause>:letters: it looks at the next letters
-- memory    works in a full Redis: the first write is ZREM or HDEL
local prefix = string.match(KEYS[1], '^[^}]*}:')
local out = 0
for i = 2, #ARGV do
  local id = ARGV[i]
  local key = prefix .. 'cause:' .. id
  local known = redis.call('EXISTS', key) == 1
  local looked = known and redis.call('HGET', key, 'looked') or '-inf'
  local page = redis.call('ZRANGEBYSCORE', key .. ':letters', looked, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[1])
  for n = 1, #page, 2 do
    local v = redis.call('HMGET', prefix .. 'letter:' .. page[n], 'reason', 'detail', 'app', 'state')
    if v[4] ~= 'open' or cause_of(v[1], v[2] or '', v[3] or '') ~= id then out = out + redis.call('ZREM', key .. ':letters', page[n]) end
  end
  if known then
    redis.call('HDEL', key, 'looked')
    local next = #page == 2 * ARGV[1] and page[#page] or nil
    if next and next ~= looked then redis.call('HSET', key, 'looked', next) end
    note_open(prefix, id, key)
  elseif redis.call('ZCARD', key .. ':letters') == 0 then
    redis.call('ZREM', KEYS[1], id)
  end
end
return out

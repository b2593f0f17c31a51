-- count.lua: counts letters by cause that were filed and not counted: by the version before, or by one of its workers that still runs. Goes
--            through all letters, page by page.
-- uses clock
-- uses letters/causes
-- KEYS[1]   letters  zset
-- KEYS[2]   counted  string
-- ARGV      `counted` as the caller has read it, or '', how many letters at most (besides, those of the same ms)
-- derived   causes, cause:<cause>, letter:<letter>, intent:<letter> (the first intent of a letter)
-- returns   <letters that were looked at>
-- cost      O(letters × log letters + size of their intents); the caller bounds how many
-- moves     none
-- again     another answer, changes nothing: how far it is is the token
-- memory    refused by a full Redis: the first write is SET
local now = now_ms()
local prefix = string.match(KEYS[1], '^[^}]*}:')
if (redis.call('GET', KEYS[2]) or '') ~= ARGV[1] then return 0 end
-- '' (never), '<ms>' (so far), 'all <ms>' (all, at that time), 'again <ms>' (all once, and so far again)
local round, at = string.match(ARGV[1], '^(%a*) ?(%S*)$')
local page = redis.call('ZRANGEBYSCORE', KEYS[1], at ~= '' and round ~= 'all' and '(' .. at or '-inf', '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
if #page == 0 then
  redis.call('SET', KEYS[2], 'all ' .. now)
  return 0
end
local last = page[#page]
redis.call('SET', KEYS[2], (round ~= '' and 'again ' or '') .. last)
local ids, seen = {}, {}
for i = 1, #page, 2 do
  ids[#ids + 1], seen[page[i]] = page[i], true
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], last, last)) do
  if not seen[id] then ids[#ids + 1] = id end
end
for _, id in ipairs(ids) do
  local key = prefix .. 'letter:' .. id
  local v = redis.call('HMGET', key, 'reason', 'detail', 'app', 'filed', 'state')
  local left = redis.call('PTTL', key)
  if v[5] == 'open' and left > 0 then count_open(prefix, id, v, v[4], left, now) end
end
return #ids

-- rotate.lua: a webhook gets a new secret. For a while, the one before signs, too.
-- uses clock
-- uses history
-- KEYS[1]   subscriber:<subscriber>  hash
-- KEYS[2]   changes                  stream
-- ARGV      subscriber, the new secret, how long the one before still signs ms, why, by whom
-- derived   telling
-- returns   1 | 0 (no webhook has this name)
-- cost      O(1)
-- moves     none
-- again     same answer, changes nothing: the new secret is the token
-- memory    refused by a full Redis: the first write is HSET
local before = redis.call('HGET', KEYS[1], 'secret')
if not before then return 0 end
if before == ARGV[2] then return 1 end
local now = now_ms()
redis.call('HSET', KEYS[1], 'secret', ARGV[2], 'secret_before', before, 'before_till', now + ARGV[3])
note_change(KEYS[2], now, 'rotate', string.gsub(ARGV[1], '/', ' ', 1), ARGV[4], ARGV[5], '', '', {result = 'rotated'})
return 1

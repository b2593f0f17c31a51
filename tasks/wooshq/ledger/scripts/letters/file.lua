-- file.lua: what came through the broker and is no intent is kept as a dead letter, so that a person can mend and replay it.
-- uses clock
-- uses letters
-- KEYS[1]   intent:<id>  hash
-- KEYS[2]   letters      zset
-- KEYS[3]   expiry       zset
-- KEYS[4]   counts       hash
-- ARGV      id, body as it came, reason, detail, lane, application or '', how long a letter is kept ms, model version
-- returns   1 filed | 0 an intent with this id is known
-- cost      O(log letters)
-- moves     → dead (given_up)
-- again     the id is the token: the second run answers 0 and changes nothing
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local now = now_ms()
redis.call('HSET', KEYS[1], 'body', ARGV[2], 'digest', '', 'state', 'queued', 'lane', ARGV[5], 'app', ARGV[6], 'at', now, 'v', ARGV[8])
file_letter(KEYS[1], ARGV[1], now, {KEYS[2], KEYS[3], KEYS[4]}, ARGV[7], {reason = ARGV[3], detail = ARGV[4]})
return 1
